/** How `fetch` is told to keep nothing. */

let found: RequestInit | undefined;

/** `cache: 'no-store'`, or nothing where the runtime refuses the option, as workerd does: a cache that does not exist keeps nothing. Tried once. */
export function noStore(): RequestInit {
  found ??= triedWith(Request);
  return found;
}

/** The same by a trial with a constructor. */
export function triedWith(Type: typeof Request): RequestInit {
  const init = { cache: 'no-store' } as const;
  try {
    // Read nowhere: making it is the trial.
    return new Type('https://bulla.invalid/', init) && init;
  } catch {
    return {};
  }
}
