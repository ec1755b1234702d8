/**
 * What the LMA remembers of MAGs: of each end of the signaling its heartbeats and Restart Counter (RFC 5847), for a NAT may have several MAGs
 * behind one address; of each address its rate, for ports are easily invented.
 */
import { type Endpoint, endpointKey, type Instant } from '../endpoint.ts';

export interface Peer {
  readonly endpoint: Endpoint;
  /** Our address that its last message came to. */
  local: Endpoint;
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

/** More than that many are not remembered; the longest silent one goes. */
const MAX_PEERS = 65_536;

export class Peers {
  private readonly byEndpoint = new Map<string, Peer>();

  /** The peer, moved to the young end. */
  heard(from: Endpoint, to: Endpoint, now: Instant): Peer {
    const key = endpointKey(from);
    let peer = this.byEndpoint.get(key);
    if (peer) {
      this.byEndpoint.delete(key);
      peer.local = to;
    } else {
      peer = {
        endpoint: from,
        local: to,
        knowsHeartbeats: false,
        restartCounter: null,
        counterAt: now.elapsed,
        missing: 0,
        nextHeartbeat: null,
        heartbeatSequence: 0,
      };
      makeRoom(this.byEndpoint);
    }
    this.byEndpoint.set(key, peer);
    return peer;
  }

  find(from: Endpoint): Peer | undefined {
    return this.byEndpoint.get(endpointKey(from));
  }

  all(): IterableIterator<Peer> {
    return this.byEndpoint.values();
  }
}

/** A token bucket of PBUs for each address; one second's worth can be saved up. */
export class UpdateRates {
  private readonly byAddress = new Map<string, { tokens: number; refilled: number }>();

  /** Takes one token of `perSecond`; false if there is none. */
  take(address: string, now: Instant, perSecond: number): boolean {
    let bucket = this.byAddress.get(address);
    if (bucket) this.byAddress.delete(address);
    else {
      bucket = { tokens: perSecond, refilled: now.elapsed };
      makeRoom(this.byAddress);
    }
    this.byAddress.set(address, bucket);
    const gained = ((now.elapsed - bucket.refilled) / 1000) * perSecond;
    bucket.tokens = Math.min(perSecond, bucket.tokens + Math.max(0, gained));
    bucket.refilled = now.elapsed;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
}

function makeRoom(map: Map<string, unknown>): void {
  if (map.size >= MAX_PEERS) map.delete(map.keys().next().value!);
}
