/** Rates to weights: small integers in nearly their ratio, so that the schedule is short. Used for rates from the signaling and for measured ones. */

/** The schedule of rates repeats after at most so many packets; shares are then off by less than half a packet in that many. */
const LONGEST_PERIOD = 64;

/**
 * The smallest integers whose ratio comes as near to that of `rates` as any with a sum of at most LONGEST_PERIOD does, within half a
 * percent: 50 and 20 Mbit/s are 5:2. A path with a rate gets at least 1.
 */
export function smallRatio(rates: readonly number[]): number[] {
  const sum = rates.reduce((total, rate) => total + rate, 0);
  const used = rates.filter((rate) => rate > 0).length;
  let best = rates.map((rate) => (rate > 0 ? 1 : 0)) as number[];
  let bestError = errorOf(best, rates, sum);
  for (let period = used; period <= Math.max(LONGEST_PERIOD, used); period++) {
    const weights = apportion(rates, sum, period);
    const error = errorOf(weights, rates, sum);
    if (error < bestError - GOOD_ENOUGH) {
      best = weights;
      bestError = error;
    }
  }
  return best;
}

/** A longer period has to be better by so much of the whole to be worth it. */
const GOOD_ENOUGH = 0.005;

/** `period` shared out by largest remainder, at least 1 to every path with a rate. */
function apportion(rates: readonly number[], sum: number, period: number): number[] {
  const exact = rates.map((rate) => (rate / sum) * period);
  const weights = exact.map((share, i) => (rates[i]! > 0 ? Math.max(1, Math.floor(share)) : 0));
  let left = period - weights.reduce((total, weight) => total + weight, 0);
  const byRemainder = exact
    .map((share, i) => ({ i, remainder: share - weights[i]! }))
    .filter(({ i }) => rates[i]! > 0)
    .sort((a, b) => b.remainder - a.remainder);
  for (const { i } of byRemainder) {
    if (left <= 0) break;
    weights[i]! += 1;
    left -= 1;
  }
  // Slow paths got more than their share: whoever has most pays, packet by packet.
  for (; left < 0; left++) weights[weights.indexOf(Math.max(...weights))]! -= 1;
  return weights;
}

/** The largest difference between the share that a path gets and that of its rate. */
function errorOf(weights: readonly number[], rates: readonly number[], sum: number): number {
  const total = weights.reduce((all, weight) => all + weight, 0);
  return Math.max(...weights.map((weight, i) => Math.abs(weight / total - rates[i]! / sum)));
}
