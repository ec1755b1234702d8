/**
 * A path that was down comes back with a small part of its weight, which doubles step by step: what it carries now is not known, and a
 * burst would be lost with it if it goes down again. Pure: time is an argument; src/node/path-watch.ts publishes the steps.
 */
import type { HealthConfig } from './path-health.ts';
import type { PathId } from './path-monitor.ts';

export type EaseConfig = Pick<HealthConfig, 'easeUs' | 'easeFrom'>;

/** A path gets 1 / `divisor` of its weight from now on. */
export interface EaseStep extends PathId {
  readonly divisor: number;
}

/** The smallest share is 1 / 2^6 of the weight. */
const MOST_DOUBLINGS = 6;

interface Easing extends PathId {
  readonly sinceUs: number;
  readonly stepUs: number;
  readonly doublings: number;
  told: number;
}

export class EaseIn {
  readonly #easing = new Map<string, Easing>();

  /** The path is back: its first step; null: nothing to ease. */
  begin({ session, bid }: PathId, { easeUs, easeFrom }: EaseConfig, nowUs: number): EaseStep | null {
    const doublings = Math.min(Math.ceil(-Math.log2(easeFrom)), MOST_DOUBLINGS);
    if (easeUs <= 0 || doublings < 1) return null;
    const easing = { session, bid, sinceUs: nowUs, stepUs: easeUs / doublings, doublings, told: doublings };
    this.#easing.set(keyOf(easing), easing);
    return { session, bid, divisor: 2 ** doublings };
  }

  /** It has gone again, or is no path any more. */
  end(path: PathId): void {
    this.#easing.delete(keyOf(path));
  }

  /** When the next step is due. */
  get nextUs(): number {
    let next = Infinity;
    for (const { sinceUs, stepUs, doublings, told } of this.#easing.values()) {
      next = Math.min(next, sinceUs + (doublings - told + 1) * stepUs);
    }
    return next;
  }

  /** Steps that are due; the last one of a path has divisor 1. */
  due(nowUs: number): EaseStep[] {
    const steps: EaseStep[] = [];
    for (const [key, easing] of this.#easing) {
      const { session, bid, sinceUs, stepUs, doublings } = easing;
      const left = Math.max(0, doublings - Math.floor((nowUs - sinceUs) / stepUs));
      if (left === easing.told) continue;
      easing.told = left;
      if (!left) this.#easing.delete(key);
      steps.push({ session, bid, divisor: 2 ** left });
    }
    return steps;
  }
}

function keyOf({ session, bid }: PathId): string {
  return `${bid} ${session}`;
}
