/**
 * Reorder density and reorder buffer-occupancy density of RFC 5236 over one stream: numbers 0, 1, 2 ... as sent, in order of arrival
 * (duplicates are left out, §4.1). What comes later than the threshold counts as lost.
 */

export interface Density {
  /** Share of packets by displacement (late is positive) or by occupancy; ascending. */
  readonly value: number;
  readonly share: number;
}

/** Displacements beyond this count as lost (DT), and no buffer holds more (BT). */
export const DEFAULT_THRESHOLD = 256;

/**
 * RD (§4): the receive index counts arrivals but skips the numbers of lost packets; displacement is index minus number.
 * `sent`: how many numbers were sent.
 */
export function reorderDensity(
  numbers: ArrayLike<number>,
  sent: number,
  threshold = DEFAULT_THRESHOLD,
): Density[] {
  const arrived = new Uint8Array(sent);
  for (let i = 0; i < numbers.length; i++) arrived[numbers[i]!] = WAITING;
  const counts = new Int32Array(2 * threshold + 1);
  let index = 0;
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i]!;
    if (arrived[number] === COUNTED) continue;
    arrived[number] = COUNTED;
    while (index < sent && !arrived[index]) index++;
    const displacement = index - number;
    if (displacement > threshold) continue;
    index++;
    counts[Math.max(displacement, -threshold) + threshold]!++;
  }
  return toDensity(counts, -threshold);
}

/** A number that arrives at all; the same once its first copy has been counted. */
const WAITING = 1;
const COUNTED = 2;

/** RBD (§5): after each arrival, how many packets an ideal buffer holds that puts them back in order. */
export function bufferDensity(
  numbers: ArrayLike<number>,
  sent: number,
  threshold = DEFAULT_THRESHOLD,
): Density[] {
  const wanted = new Uint8Array(sent);
  for (let i = 0; i < numbers.length; i++) wanted[numbers[i]!] = 1;
  const held = new Uint8Array(sent);
  const counts = new Int32Array(threshold + 1);
  let expected = 0;
  let occupancy = 0;
  const skipLost = (): void => {
    while (expected < sent && !wanted[expected]) expected++;
  };
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i]!;
    if (number < expected || held[number]) continue;
    held[number] = 1;
    occupancy++;
    skipLost();
    while (expected < sent && held[expected]) {
      occupancy--;
      expected++;
      skipLost();
    }
    counts[Math.min(occupancy, threshold)]!++;
  }
  return toDensity(counts, 0);
}

/** `counts[i]` packets had the value `i + least`. */
function toDensity(counts: Int32Array, least: number): Density[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return [...counts].flatMap((count, i) => (count ? { value: i + least, share: count / total } : []));
}
