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

/** `times` in any unit; `sizes` in octets, by number. */
export function findReordered(
  numbers: ArrayLike<number>,
  times: ArrayLike<number>,
  sizes: ArrayLike<number>,
): ReorderedPacket[] {
  const found: ReorderedPacket[] = [];
  visitReordered(numbers, sizes, (position, first, byteOffset, degree) => {
    found.push({
      position,
      number: numbers[position]!,
      extent: position - first,
      lateTime: times[position]! - times[first]!,
      byteOffset,
      degree,
    });
  });
  return found;
}

/** `first`: position of the first that overtook the packet at `position`. */
type Visit = (position: number, first: number, byteOffset: number, degree: number) => void;

/** Calls `visit` for each reordered packet. Streams have millions, so there is no object for each. */
function visitReordered(numbers: ArrayLike<number>, sizes: ArrayLike<number>, visit: Visit): void {
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
      const other = numbers[j]!;
      const above = other > number;
      if (above) byteOffset += sizes[other]!;
      unbroken &&= above;
      if (unbroken) degree++;
    }
    visit(i, first, byteOffset, degree);
  }
}

/** The same as figures of the whole stream. */
export function summariseReordering(
  numbers: ArrayLike<number>,
  times: ArrayLike<number>,
  sizes: ArrayLike<number>,
): Reordering {
  const received = numbers.length;
  let reordered = 0;
  let extents = 0;
  let maxExtent = 0;
  let lateTimes = 0;
  let maxLateTime = 0;
  let maxByteOffset = 0;
  let three = 0;
  // Where something was overtaken: how many places, the first and the last.
  const isDiscontinuity = new Uint8Array(received);
  let discontinuities = 0;
  let earliest = Infinity;
  let latest = 0;
  visitReordered(numbers, sizes, (position, first, byteOffset, degree) => {
    const extent = position - first;
    const lateTime = times[position]! - times[first]!;
    reordered++;
    extents += extent;
    lateTimes += lateTime;
    maxExtent = Math.max(maxExtent, extent);
    maxLateTime = Math.max(maxLateTime, lateTime);
    maxByteOffset = Math.max(maxByteOffset, byteOffset);
    if (degree >= 3) three++;
    if (isDiscontinuity[first]) return;
    isDiscontinuity[first] = 1;
    discontinuities++;
    earliest = Math.min(earliest, first);
    latest = Math.max(latest, first);
  });
  return {
    received,
    reordered,
    ratio: received ? reordered / received : 0,
    meanExtent: reordered ? extents / reordered : 0,
    maxExtent,
    meanLateTime: reordered ? lateTimes / reordered : 0,
    maxLateTime,
    maxByteOffset,
    threeReordered: received ? three / received : 0,
    meanGap: discontinuities > 1 ? (latest - earliest) / (discontinuities - 1) : null,
    meanFreeRun: (received - reordered) / (reordered + 1),
  };
}

/** The summary of a stream of which nothing is out of order. */
export function nothingReordered(received: number): Reordering {
  return {
    received,
    reordered: 0,
    ratio: 0,
    meanExtent: 0,
    maxExtent: 0,
    meanLateTime: 0,
    maxLateTime: 0,
    maxByteOffset: 0,
    threeReordered: 0,
    meanGap: null,
    meanFreeRun: received,
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
