/** How `fetch` is told to keep nothing. */

let found: RequestInit | undefined;

/** `cache: 'no-store'`, or nothing where the runtime refuses the option, as workerd does: a cache that does not exist keeps nothing. Tried once. */
export function noStore(): RequestInit {
  found ??= take({ cache: 'no-store' });
  return found;
}

function take(init: RequestInit): RequestInit {
  try {
    // Read nowhere: making it is the trial.
    return new Request('https://bulla.invalid/', init) && init;
  } catch {
    return {};
  }
}
