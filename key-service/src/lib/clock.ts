/** Time, as it is injected: milliseconds since 1970. */
export type Clock = () => number;

/** Unix seconds of a clock. */
export function seconds(clock: Clock): number {
  return Math.floor(clock() / 1000);
}
