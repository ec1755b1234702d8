/** Which packets a link loses: none, each for itself, or in bursts (Gilbert 1960, Elliott 1963). */
import type { Random } from './random.ts';

export type LossSpec =
  | { readonly model: 'none' }
  | { readonly model: 'random'; readonly probability: number }
  | {
      readonly model: 'gilbert-elliott';
      /** Probabilities, a packet, of going from the good to the bad state and back. */
      readonly toBad: number;
      readonly toGood: number;
      /** Loss in each state. */
      readonly lossGood: number;
      readonly lossBad: number;
    };

export const NO_LOSS: LossSpec = { model: 'none' };

/** The share of packets that is lost in the long run. */
export function meanLoss(spec: LossSpec): number {
  if (spec.model === 'none') return 0;
  if (spec.model === 'random') return spec.probability;
  const bad = spec.toBad / (spec.toBad + spec.toGood);
  return spec.lossGood * (1 - bad) + spec.lossBad * bad;
}

export class Loss {
  private readonly spec: LossSpec;
  private readonly random: Random;
  private bad = false;

  constructor(spec: LossSpec, random: Random) {
    this.spec = spec;
    this.random = random;
  }

  /** Whether the next packet is lost. */
  takes(): boolean {
    const { spec, random } = this;
    if (spec.model === 'none') return false;
    if (spec.model === 'random') return random.chance(spec.probability);
    if (random.chance(this.bad ? spec.toGood : spec.toBad)) this.bad = !this.bad;
    return random.chance(this.bad ? spec.lossBad : spec.lossGood);
  }
}
