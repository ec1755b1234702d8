/** After a restart the LMA says so by itself to the MAGs of before: Heartbeat responses that nobody has asked for (RFC 5847 §3.2). */
import { Deadlines } from '../deadlines.ts';
import { type Endpoint, endpointKey } from '../endpoint.ts';
import type { LmaContext } from './context.ts';

/** A MAG of before the restart: its end of the signaling, and ours. */
export interface FormerPeer {
  readonly endpoint: Endpoint;
  readonly local: Endpoint;
}

interface Pending extends FormerPeer {
  due: number;
  said: number;
}

/** Each is told up to three times, unless it has asked for something meanwhile. */
const TIMES = 3;
const REPEAT_MS = 1000;
/** MAGs answer with all of their PBUs, so they are not told all at once. */
const PER_SECOND = 20;

export class RestartAnnouncement {
  private readonly context: LmaContext;
  private readonly pending = new Map<string, Pending>();
  private readonly deadlines = new Deadlines<Pending>(({ due }) => due);

  constructor(context: LmaContext) {
    this.context = context;
  }

  /** Those of `peers` that are trusted are told from now on. */
  begin(peers: readonly FormerPeer[]): void {
    const { now, policy } = this.context;
    const trusted = peers.filter(({ endpoint }) => policy.trusts(endpoint.address));
    for (const [i, peer] of trusted.entries()) {
      const due = now.elapsed + Math.floor(i / PER_SECOND) * 1000;
      const pending = { ...peer, due, said: 0 };
      this.pending.set(endpointKey(peer.endpoint), pending);
      this.deadlines.watch(pending);
    }
  }

  /** Those that do not know yet. */
  get peers(): Iterable<FormerPeer> {
    return this.pending.values();
  }

  nextDeadline(): number {
    return this.deadlines.next() ?? Infinity;
  }

  tick(): void {
    const { now, peers, config } = this.context;
    for (
      let pending = this.deadlines.take(now.elapsed);
      pending;
      pending = this.deadlines.take(now.elapsed)
    ) {
      if (pending.said === TIMES || peers.find(pending.endpoint)) {
        this.pending.delete(endpointKey(pending.endpoint));
        continue;
      }
      pending.said += 1;
      pending.due = now.elapsed + REPEAT_MS * pending.said;
      this.deadlines.watch(pending);
      const options = [{ option: 'restart-counter', counter: config.restartCounter } as const];
      this.context.send(
        { message: 'heartbeat', response: true, unsolicited: true, sequence: 0, options },
        pending.local,
        pending.endpoint,
      );
    }
  }
}
