// Functions of applications that misbehave: as listeners, to whom something is told, and as functions that decide something.

/** What such a function throws or rejects with. */
export const failure = new Error('the function of an application failed');

const thrower = () => {
  throw failure;
};

/** A function that calls back in, and otherwise does what it should. */
type Again = () => unknown;

/** Listeners by what is wrong with them. Each is made with what calls back in. */
export const hostileListeners: readonly (readonly [what: string, make: (again: Again) => () => unknown])[] = [
  ['throws', () => thrower],
  ['rejects', () => async () => thrower()],
  ['rejects with nothing', () => () => Promise.reject()],
  ['never ends', () => () => new Promise(() => {})],
  ['gives something whose then throws', () => () => Object.defineProperty({}, 'then', { get: thrower })],
  ['calls back in', (again) => () => again()],
  ['calls back in and throws', (again) => () => [again(), thrower()]],
];

/** A listener that counts, and misbehaves each time; it calls back in once alone, as the call that it makes then tells it, too. */
export function hostileListener(make: (again: Again) => () => unknown, again: () => Promise<unknown>) {
  let inner: Promise<unknown> | undefined;
  let called = false;
  const hostile = make(() => {
    if (!called) {
      called = true;
      inner = again();
    }
    return inner;
  });
  const listener = () => {
    listener.told++;
    return hostile();
  };
  listener.told = 0;
  /** What the call came to that was made from within. */
  listener.inner = async () => inner;
  return listener;
}
