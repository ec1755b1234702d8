/** Figures of a sample: quantiles, fairness, and a growing array to collect it in. */

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
  const sorted = Float64Array.from(sample).sort();
  const count = sorted.length;
  if (!count) return NO_QUANTILES;
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * count) - 1)]!;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += sorted[i]!;
  const mean = sum / count;
  return { count, mean, min: sorted[0]!, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: sorted[count - 1]! };
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
