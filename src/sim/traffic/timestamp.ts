/** The clock of TCP timestamps (RFC 7323): milliseconds, as Linux has it. `now` in nanoseconds. */
export function timestamp(now: number): number {
  return Math.floor(now / 1e6);
}
