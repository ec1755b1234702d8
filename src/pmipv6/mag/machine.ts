/**
 * The Mobile Access Gateway as a pure state machine: (state, event, now) to effects. No sockets, clocks or timers; the
 * daemon, the tests and the simulator feed it.
 */
import type { Effect } from '../effect.ts';
import type { Instant } from '../endpoint.ts';
import type { MagConfig } from './config.ts';
import type { MagEvent } from './event.ts';
import type { MagSessionStatus } from './status.ts';

/** Why messages led to nothing, and how those that led to something ended. */
export interface MagStatistics {
  /** Messages received, by name. */
  readonly received: Readonly<Record<string, number>>;
  /** PBUs sent, by purpose: register, refresh, bulk, deregister; `retransmission` counts once more. */
  readonly sent: Readonly<Record<string, number>>;
  /** PBAs that answered a PBU, by status. */
  readonly answered: Readonly<Record<string, number>>;
  readonly ignored: Readonly<Record<string, number>>;
}

export class MagMachine {
  protected readonly config: MagConfig;

  constructor(config: MagConfig) {
    this.config = config;
  }

  handle(_event: MagEvent, _now: Instant): Effect[] {
    return [];
  }

  /** Elapsed milliseconds at which a `tick` is wanted; null: none. */
  nextDeadline(): number | null {
    return null;
  }

  sessions(): MagSessionStatus[] {
    return [];
  }

  statistics(): MagStatistics {
    return { received: {}, sent: {}, answered: {}, ignored: {} };
  }
}
