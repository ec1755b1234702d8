/**
 * The highest paced rate at which a tunnel loses at most one datagram in a hundred: up or down from a first guess in steps of
 * a third until the limit lies between two rates, then halving the interval. Knows nothing of sockets; a trial is an argument.
 */
import type { UdpResult } from './udp-load.ts';

export interface SweepResult {
  /** Datagrams a second that were sent and, but for 1 %, received. */
  readonly perSecond: number;
  /** The generator could not send faster: the tunnel may be able to. */
  readonly generatorLimit: boolean;
}

const ALLOWED_LOSS = 0.01;
/** A little more loss than that may be a pause of the machine. */
const DOUBTFUL_LOSS = 0.04;
/** How often a doubtful trial is repeated. */
const REPEATS = 2;
const STEP = 1.33;
const PRECISION = 1.04;
/** Sent less than this part of what was ordered: the generator is at its end. */
const GENERATOR_REACHED = 0.95;
const LOWEST_RATE = 500;

/** Sweeps from `guess` datagrams a second; `trial` sends at a rate. A tunnel that carries nothing gives 0. */
export async function sweep(
  guess: number,
  trial: (perSecond: number) => Promise<UdpResult>,
): Promise<SweepResult> {
  let best = { perSecond: 0, generatorLimit: false };
  /** Rates that were ordered: the highest that held, the lowest that did not. */
  let good = 0;
  let bad = Infinity;
  let rate = Math.max(LOWEST_RATE, guess);
  while (rate >= LOWEST_RATE && bad > good * PRECISION) {
    let result = await trial(rate);
    for (let again = 0; again < REPEATS && isDoubtful(result, rate); again++) result = await trial(rate);
    const sentRate = result.sent / result.seconds;
    if (loss(result) <= ALLOWED_LOSS) {
      const generatorLimit = isShort(result, rate);
      if (sentRate > best.perSecond) best = { perSecond: sentRate, generatorLimit };
      if (generatorLimit) break;
      good = rate;
    } else {
      bad = rate;
    }
    if (bad === Infinity) rate = good * STEP;
    else if (good === 0) rate = bad / STEP;
    else rate = Math.sqrt(good * bad);
  }
  return best;
}

/** Whether a trial is to be repeated before it counts: a pause of the machine may have made it fail. */
function isDoubtful(result: UdpResult, rate: number): boolean {
  return loss(result) <= ALLOWED_LOSS ? isShort(result, rate) : loss(result) < DOUBTFUL_LOSS;
}

function isShort(result: UdpResult, rate: number): boolean {
  return result.sent / result.seconds < rate * GENERATOR_REACHED;
}

function loss(result: UdpResult): number {
  return result.sent ? 1 - result.received / result.sent : 1;
}
