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
  const first: number[] = [];
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i]!;
    if (arrived[number]) continue;
    arrived[number] = 1;
    first.push(number);
  }
  const counts = new Map<number, number>();
  let index = 0;
  let counted = 0;
  for (const number of first) {
    while (index < sent && !arrived[index]) index++;
    const displacement = index - number;
    if (displacement > threshold) continue;
    index++;
    const capped = Math.max(displacement, -threshold);
    counts.set(capped, (counts.get(capped) ?? 0) + 1);
    counted++;
  }
  return toDensity(counts, counted);
}

/** RBD (§5): after each arrival, how many packets an ideal buffer holds that puts them back in order. */
export function bufferDensity(
  numbers: ArrayLike<number>,
  sent: number,
  threshold = DEFAULT_THRESHOLD,
): Density[] {
  const wanted = new Uint8Array(sent);
  for (let i = 0; i < numbers.length; i++) wanted[numbers[i]!] = 1;
  const held = new Uint8Array(sent);
  const counts = new Map<number, number>();
  let expected = 0;
  let occupancy = 0;
  let counted = 0;
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
    const capped = Math.min(occupancy, threshold);
    counts.set(capped, (counts.get(capped) ?? 0) + 1);
    counted++;
  }
  return toDensity(counts, counted);
}

function toDensity(counts: ReadonlyMap<number, number>, total: number): Density[] {
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([value, count]) => ({ value, share: total ? count / total : 0 }));
}
