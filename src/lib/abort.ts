/** Waiting for the abort of a signal that many share, and controllers that follow a signal. */

interface Shared {
  readonly waiting: Set<() => void>;
  readonly listener: () => void;
}

const shared = new WeakMap<AbortSignal, Shared>();

/**
 * Calls `onAbort` when a signal is aborted that is not yet; gives a function that takes this back. However many wait, the signal has one listener of ours: with more
 * than ten, Node 20 warns of a leak.
 */
export function whenAborted(signal: AbortSignal, onAbort: () => void): () => void {
  const { waiting, listener } = shared.get(signal) ?? listenTo(signal);
  // A function of its own, since the same one may wait twice.
  const call = () => onAbort();
  waiting.add(call);
  return () => {
    if (!waiting.delete(call) || waiting.size > 0) return;
    shared.delete(signal);
    signal.removeEventListener('abort', listener);
  };
}

function listenTo(signal: AbortSignal): Shared {
  const waiting = new Set<() => void>();
  const listener = () => {
    shared.delete(signal);
    for (const call of waiting) call();
    waiting.clear();
  };
  const made = { waiting, listener };
  shared.set(signal, made);
  signal.addEventListener('abort', listener, { once: true });
  return made;
}

/** A controller that is aborted with a signal, until `release` lets go of that. */
export function linkedController(signal: AbortSignal | undefined): {
  readonly controller: AbortController;
  readonly release: () => void;
} {
  const controller = new AbortController();
  if (signal === undefined) return { controller, release: () => {} };
  const abort = () => controller.abort(signal.reason);
  if (signal.aborted) abort();
  return { controller, release: whenAborted(signal, abort) };
}
