/**
 * What a signal finds: nothing, and then the process ends as if the program did not know of signals; or something to take away first, such as a temporary file. Either way it ends
 * at once, whatever it waits for.
 */

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
const numbers = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;
const undoings = new Set<() => void>();

/** Has `undo` called before a signal ends the process, until the function that it gives is called. `undo` is synchronous and does not throw. */
export function hold(undo: () => void): () => void {
  if (undoings.size === 0) for (const name of signals) process.on(name, endBy);
  // Two holders may share a function.
  const own = () => undo();
  undoings.add(own);
  return () => {
    undoings.delete(own);
    if (undoings.size === 0) for (const name of signals) process.off(name, endBy);
  };
}

/** Does `work` while {@link hold} holds. */
export async function holding<Result>(undo: () => void, work: () => Promise<Result>): Promise<Result> {
  const release = hold(undo);
  try {
    return await work();
  } finally {
    release();
  }
}

/**
 * Ends the process by a signal, as the shell and `timeout` expect it. Leaving by an exit code would wait for a thread that waits for a FIFO or a full pipe.
 */
export function endBy(name: (typeof signals)[number]): never {
  for (const undo of undoings) undo();
  for (const signal of signals) process.removeAllListeners(signal);
  process.kill(process.pid, name);
  // The first process of a container is spared by signals that it does not handle.
  process.exit(128 + numbers[name]);
}
