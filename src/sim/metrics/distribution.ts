/** Figures of a sample: order, quantiles, fairness, and a growing array to collect it in. */

export interface Quantiles {
  readonly count: number;
  readonly mean: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export const NO_QUANTILES: Quantiles = { count: 0, mean: 0, min: 0, p50: 0, p90: 0, p99: 0, max: 0 };

/** Quantiles by nearest rank. */
export function quantiles(sample: Float64Array | readonly number[]): Quantiles {
  return quantilesOfSorted(sortAscending(new Float64Array(sample)));
}

/** The same of a sample in ascending order. */
export function quantilesOfSorted(sorted: Float64Array): Quantiles {
  const count = sorted.length;
  if (!count) return NO_QUANTILES;
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * count) - 1)]!;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += sorted[i]!;
  const mean = sum / count;
  return { count, mean, min: sorted[0]!, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: sorted[count - 1]! };
}

/** Sorts in place, and gives it back. */
export function sortAscending(sample: Float64Array): Float64Array {
  if (sample.length < WORTH_RADIX || !radixSort(sample)) sample.sort();
  return sample;
}

const WORTH_RADIX = 4096;
const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;

/**
 * Sorts whole numbers below 2^32 (delays in nanoseconds nearly always are) in at most three passes over digits of 11 bits, several
 * times as fast as comparing. Does nothing and gives false where there are others.
 */
function radixSort(values: Float64Array): boolean {
  const { length } = values;
  let from = new Uint32Array(length);
  const low = new Uint32Array(DIGITS);
  const middle = new Uint32Array(DIGITS);
  const high = new Uint32Array(DIGITS);
  for (let i = 0; i < length; i++) {
    const whole = values[i]! >>> 0;
    if (whole !== values[i]) return false;
    from[i] = whole;
    low[whole & (DIGITS - 1)]!++;
    middle[(whole >>> DIGIT_BITS) & (DIGITS - 1)]!++;
    high[whole >>> (2 * DIGIT_BITS)]!++;
  }
  let to = new Uint32Array(length);
  let shift = 0;
  for (const places of [low, middle, high]) {
    // A digit that all have in common needs no pass.
    if (places[(from[0]! >>> shift) & (DIGITS - 1)] !== length) {
      startPlaces(places);
      moveByDigit(from, to, places, shift);
      [from, to] = [to, from];
    }
    shift += DIGIT_BITS;
  }
  values.set(from);
  return true;
}

/** Turns how often each digit occurs into where the first value with it belongs. */
function startPlaces(places: Uint32Array): void {
  let before = 0;
  for (let digit = 0; digit < DIGITS; digit++) {
    const count = places[digit]!;
    places[digit] = before;
    before += count;
  }
}

function moveByDigit(from: Uint32Array, to: Uint32Array, places: Uint32Array, shift: number): void {
  for (let i = 0; i < from.length; i++) {
    const value = from[i]!;
    to[places[(value >>> shift) & (DIGITS - 1)]!++] = value;
  }
}

/** Fairness of Jain, Chiu and Hawe (1984): 1 if all are equal, 1/n if one has everything. */
export function jainIndex(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  const squares = values.reduce((total, value) => total + value * value, 0);
  return squares ? (sum * sum) / (values.length * squares) : 1;
}

export class Collected {
  #values = new Float64Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.#values.length) {
      const values = new Float64Array(2 * this.length);
      values.set(this.#values);
      this.#values = values;
    }
    this.#values[this.length++] = value;
  }

  /** What was collected; a view. */
  get values(): Float64Array {
    return this.#values.subarray(0, this.length);
  }
}
