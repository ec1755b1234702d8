/**
 * Reorder density and reorder buffer-occupancy density of RFC 5236 over one stream: numbers 0, 1, 2 ... as sent, in order of arrival
 * (duplicates are left out, §4.1). What comes later than the threshold allows counts as lost.
 */

export interface Density {
  /** Share of packets by displacement (late is positive) or by occupancy; ascending. */
  readonly value: number;
  readonly share: number;
}

/** How much later than in its place a packet may come (DT), and how many a buffer holds (BT). */
export const DEFAULT_THRESHOLD = 256;

/**
 * RD (§4): the receive index counts arrivals but skips the numbers of lost packets; displacement is index minus number. A packet that is not
 * among the next `threshold` + 1 arrivals when the index comes to its number is lost. `sent`: how many numbers were sent.
 */
export function reorderDensity(
  numbers: ArrayLike<number>,
  sent: number,
  threshold = DEFAULT_THRESHOLD,
): Density[] {
  const { unique, positions } = firstCopies(numbers, sent);
  const counts = new Int32Array(2 * threshold + 1);
  let index = 0;
  for (let i = 0; i < unique.length; i++) {
    while (index < sent && positions[index]! > i + threshold) index++;
    const displacement = index - unique[i]!;
    if (displacement > threshold) continue;
    index++;
    counts[Math.max(displacement, -threshold) + threshold]!++;
  }
  return toDensity(counts, -threshold);
}

/** First copies in order of arrival; and the place of each number among them, beyond all if it never came. */
function firstCopies(
  numbers: ArrayLike<number>,
  sent: number,
): { unique: Int32Array; positions: Int32Array } {
  const positions = new Int32Array(sent).fill(NEVER);
  const unique = new Int32Array(numbers.length);
  let count = 0;
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i]!;
    if (positions[number] !== NEVER) continue;
    positions[number] = count;
    unique[count++] = number;
  }
  return { unique: unique.subarray(0, count), positions };
}

const NEVER = 0x7fff_ffff;

/**
 * RBD (§5): after each arrival, how many packets an ideal buffer holds that puts them back in order. It does not wait for what never comes, nor for
 * anything that would make it hold more than `threshold`.
 */
export function bufferDensity(
  numbers: ArrayLike<number>,
  sent: number,
  threshold = DEFAULT_THRESHOLD,
): Density[] {
  const { unique, positions } = firstCopies(numbers, sent);
  const counts = new Int32Array(threshold + 1);
  let expected = 0;
  let occupancy = 0;
  for (let i = 0; i < unique.length; i++) {
    if (unique[i]! < expected) continue;
    occupancy++;
    for (; expected < sent; expected++) {
      const position = positions[expected]!;
      if (position <= i) occupancy--;
      else if (position !== NEVER && occupancy <= threshold) break;
    }
    counts[occupancy]!++;
  }
  return toDensity(counts, 0);
}

/** `counts[i]` packets had the value `i + least`. */
function toDensity(counts: Int32Array, least: number): Density[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return [...counts].flatMap((count, i) => (count ? { value: i + least, share: count / total } : []));
}
