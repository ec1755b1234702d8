/**
 * Reordering metrics of RFC 4737 over one stream: packets numbered by their sender in order of arrival, first copies only.
 * A packet is in order if its number is at least NextExp (§3.3); everything else follows from the arrivals.
 */

export interface ReorderedPacket {
  /** Position in order of arrival, from 0, and number. */
  readonly position: number;
  readonly number: number;
  /** Packets since the first that overtook it (§4.2.1), and the time since (§4.2.2). */
  readonly extent: number;
  readonly lateTime: number;
  /** Octets that arrived before it and belong after it (§4.2.3). */
  readonly byteOffset: number;
  /** Packets just before it that all have larger numbers (§5.3): it is n-reordered for n up to this. */
  readonly degree: number;
}

export interface Reordering {
  readonly received: number;
  readonly reordered: number;
  /** Of the packets received (§4.1.1). */
  readonly ratio: number;
  readonly meanExtent: number;
  readonly maxExtent: number;
  readonly meanLateTime: number;
  readonly maxLateTime: number;
  readonly maxByteOffset: number;
  /** Share of packets that are 3-reordered: TCP with three duplicate acknowledgements would retransmit them (§5.3). */
  readonly threeReordered: number;
  /** Mean distance between successive reordering discontinuities in packets (§4.4), null below two. */
  readonly meanGap: number | null;
  /** Mean number of packets in order between reordered ones (§4.5). */
  readonly meanFreeRun: number;
}

/** `times` in any unit. */
export function findReordered(
  numbers: ArrayLike<number>,
  times: ArrayLike<number>,
  sizes: ArrayLike<number>,
): ReorderedPacket[] {
  const found: ReorderedPacket[] = [];
  // Positions whose numbers are higher than all before them: the first to exceed a number is always one of them.
  const heights = new Int32Array(numbers.length);
  let count = 0;
  let next = -Infinity;
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i]!;
    if (number >= next) {
      next = number + 1;
      heights[count++] = i;
      continue;
    }
    const first = heights[firstAbove(heights, count, numbers, number)]!;
    let byteOffset = 0;
    let degree = 0;
    let unbroken = true;
    for (let j = i - 1; j >= first; j--) {
      const above = numbers[j]! > number;
      if (above) byteOffset += sizes[j]!;
      unbroken &&= above;
      if (unbroken) degree++;
    }
    found.push({
      position: i,
      number,
      extent: i - first,
      lateTime: times[i]! - times[first]!,
      byteOffset,
      degree,
    });
  }
  return found;
}

export function summariseReordering(
  numbers: ArrayLike<number>,
  times: ArrayLike<number>,
  sizes: ArrayLike<number>,
): Reordering {
  const found = findReordered(numbers, times, sizes);
  const received = numbers.length;
  const discontinuities = [...new Set(found.map(({ position, extent }) => position - extent))].sort(
    (a, b) => a - b,
  );
  const max = (pick: (packet: ReorderedPacket) => number): number =>
    found.reduce((most, packet) => Math.max(most, pick(packet)), 0);
  const mean = (pick: (packet: ReorderedPacket) => number): number =>
    found.length ? found.reduce((sum, packet) => sum + pick(packet), 0) / found.length : 0;
  return {
    received,
    reordered: found.length,
    ratio: received ? found.length / received : 0,
    meanExtent: mean(({ extent }) => extent),
    maxExtent: max(({ extent }) => extent),
    meanLateTime: mean(({ lateTime }) => lateTime),
    maxLateTime: max(({ lateTime }) => lateTime),
    maxByteOffset: max(({ byteOffset }) => byteOffset),
    threeReordered: received ? found.filter(({ degree }) => degree >= 3).length / received : 0,
    meanGap:
      discontinuities.length > 1
        ? (discontinuities.at(-1)! - discontinuities[0]!) / (discontinuities.length - 1)
        : null,
    meanFreeRun: (received - found.length) / (found.length + 1),
  };
}

function firstAbove(heights: Int32Array, count: number, numbers: ArrayLike<number>, number: number): number {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[heights[middle]!]! > number) high = middle;
    else low = middle + 1;
  }
  return low;
}
