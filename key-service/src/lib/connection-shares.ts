/** Who gets how many of a replica's connections; `docs/key-service.md` §12.7. */

/** Parts of the connections to a store. */
export interface ConnectionShares {
  /** Commits of different tenants at once. */
  readonly commits: number;
  /** Changes and reads at once. */
  readonly beside: number;
  /** What one tenant has at most, one of them for its commits. */
  readonly share: number;
}

/** With one left for the service itself: signs of life, publications, readiness. */
export function connectionShares(connections: number): ConnectionShares {
  const commits = Math.max(1, Math.floor((connections - 1) / 2));
  const beside = Math.max(1, connections - 1 - commits);
  return { commits, beside, share: Math.max(2, Math.floor(connections / 4)) };
}
