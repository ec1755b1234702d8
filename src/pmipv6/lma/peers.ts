/** What the LMA remembers of each MAG address: its rate, its heartbeats, its Restart Counter (RFC 5847). */
import type { Endpoint, Instant } from '../endpoint.ts';

export interface Peer {
  readonly address: string;
  /** Where its last message came from, and to which address of ours. */
  endpoint: Endpoint;
  local: Endpoint;
  /** Token bucket of PBUs. */
  tokens: number;
  refilled: number;
  /** It has sent a heartbeat, so it may be sent some. */
  knowsHeartbeats: boolean;
  restartCounter: number | null;
  /** When it was last told; elapsed milliseconds. */
  counterAt: number;
  /** Requests without an answer since the last answer. */
  missing: number;
  nextHeartbeat: number | null;
  heartbeatSequence: number;
}

/** More than that many addresses are not remembered; the longest silent one goes. */
const MAX_PEERS = 65_536;

export class Peers {
  private readonly byAddress = new Map<string, Peer>();

  /** The peer, moved to the young end. */
  heard(from: Endpoint, to: Endpoint, now: Instant, burst: number): Peer {
    let peer = this.byAddress.get(from.address);
    if (peer) {
      this.byAddress.delete(from.address);
      peer.endpoint = from;
      peer.local = to;
    } else {
      peer = {
        address: from.address,
        endpoint: from,
        local: to,
        tokens: burst,
        refilled: now.elapsed,
        knowsHeartbeats: false,
        restartCounter: null,
        counterAt: now.elapsed,
        missing: 0,
        nextHeartbeat: null,
        heartbeatSequence: 0,
      };
      if (this.byAddress.size >= MAX_PEERS) this.byAddress.delete(this.byAddress.keys().next().value!);
    }
    this.byAddress.set(from.address, peer);
    return peer;
  }

  find(address: string): Peer | undefined {
    return this.byAddress.get(address);
  }

  all(): IterableIterator<Peer> {
    return this.byAddress.values();
  }
}

/** Takes one token of `perSecond` (one second's worth can be saved up); false if there is none. */
export function takeToken(peer: Peer, now: Instant, perSecond: number): boolean {
  const gained = ((now.elapsed - peer.refilled) / 1000) * perSecond;
  peer.tokens = Math.min(perSecond, peer.tokens + Math.max(0, gained));
  peer.refilled = now.elapsed;
  if (peer.tokens < 1) return false;
  peer.tokens -= 1;
  return true;
}
