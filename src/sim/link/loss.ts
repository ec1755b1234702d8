/**
 * Which packets a link loses: none, each with the same probability, or in bursts by the model of Gilbert (1960) and Elliott
 * (1963): two states with their own loss and a probability, packet by packet, of going from one to the other.
 */
import type { Random } from '../random.ts';

export type LossSpec =
  | { readonly model: 'none' }
  /** `probability` of each packet, 0..1. */
  | { readonly model: 'random'; readonly probability: number }
  | {
      readonly model: 'gilbert-elliott';
      /** Probabilities, packet by packet, of going from the good state to the bad one, and back. */
      readonly toBad: number;
      readonly toGood: number;
      /** Loss in each state. */
      readonly lossBad: number;
      readonly lossGood: number;
    };

export class LossProcess {
  readonly #random: Random;
  #spec: LossSpec = { model: 'none' };
  #bad = false;

  constructor(random: Random, spec: LossSpec) {
    this.#random = random;
    this.change(spec);
  }

  change(spec: LossSpec): void {
    this.#spec = spec;
    this.#bad = false;
  }

  /** Whether the next packet is lost. */
  isLost(): boolean {
    const spec = this.#spec;
    if (spec.model === 'none') return false;
    if (spec.model === 'random') return this.#random.fraction() < spec.probability;
    const turn = this.#random.fraction();
    this.#bad = this.#bad ? turn >= spec.toGood : turn < spec.toBad;
    const loss = this.#bad ? spec.lossBad : spec.lossGood;
    return loss > 0 && this.#random.fraction() < loss;
  }
}

/** Loss in the long run, 0..1. */
export function expectedLoss(spec: LossSpec): number {
  if (spec.model === 'none') return 0;
  if (spec.model === 'random') return spec.probability;
  const bad = spec.toBad / (spec.toBad + spec.toGood);
  return bad * spec.lossBad + (1 - bad) * spec.lossGood;
}
