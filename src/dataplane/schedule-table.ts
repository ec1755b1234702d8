/**
 * One period of a weighted schedule in the smoothest order: 3:2 is A B A B A, never A A A B B. Each step every path earns
 * its weight; the one with the most credit is served and pays the sum of all weights.
 */
import { TunloomError } from '../errors.ts';

/** The longest period; a schedule costs one octet an entry. */
export const MAX_PERIOD = 65536;

/**
 * Positions of `weights` in order of service, each exactly weight / gcd times; empty if all weights are 0.
 * Throws BAD_WEIGHT for a weight that is no integer >= 0 or a period beyond MAX_PERIOD.
 */
export function buildSchedule(weights: readonly number[]): Uint8Array {
  for (const weight of weights) {
    if (!Number.isInteger(weight) || weight < 0) {
      throw new TunloomError('BAD_WEIGHT', `weight ${weight} is not an integer of at least 0`);
    }
  }
  const shares = sharesOf(weights);
  const period = shares.reduce((sum, share) => sum + share, 0);
  if (period > MAX_PERIOD) {
    throw new TunloomError(
      'BAD_WEIGHT',
      `weights ${weights.join(':')} make a period of ${period} packets; at most ${MAX_PERIOD} are possible`,
    );
  }
  const credit = shares.map(() => 0);
  const schedule = new Uint8Array(period);
  for (let turn = 0; turn < period; turn++) {
    let best = -1;
    for (let i = 0; i < shares.length; i++) {
      credit[i]! += shares[i]!;
      if (shares[i] && (best < 0 || credit[i]! > credit[best]!)) best = i;
    }
    credit[best]! -= period;
    schedule[turn] = best;
  }
  return schedule;
}

/** The smallest integers in the same ratio. */
export function sharesOf(weights: readonly number[]): number[] {
  const divisor = weights.reduce(greatestCommonDivisor, 0);
  return weights.map((weight) => weight / (divisor || 1));
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
