/** Heartbeats with MAGs that have shown that they know them (RFC 5847): restarted and dead ones lose their bindings. */
import { Deadlines } from '../deadlines.ts';
import { type Endpoint, endpointKey } from '../endpoint.ts';
import type { Heartbeat } from '../wire/message/heartbeat.ts';
import { BindingErrorStatus } from '../wire/numbers.ts';
import { findOption, type MobilityOption } from '../wire/options.ts';
import type { LmaConfig } from './config.ts';
import { count, type LmaContext } from './context.ts';
import type { Peer } from './peers.ts';

export class Heartbeats {
  private readonly context: LmaContext;
  private readonly deadlines = new Deadlines<Peer>((peer) => this.deadlineOf(peer));

  constructor(context: LmaContext) {
    this.context = context;
  }

  nextDeadline(): number {
    return this.deadlines.next() ?? Infinity;
  }

  /** Another configuration: requests may be wanted that were not. */
  reconfigure(): void {
    for (const peer of this.context.peers.all()) this.deadlines.watch(peer);
  }

  private deadlineOf(peer: Peer): number | null {
    const { config, peers } = this.context;
    return config.heartbeat && peers.find(peer.endpoint) === peer ? peer.nextHeartbeat : null;
  }

  message(message: Heartbeat, from: Endpoint, to: Endpoint): void {
    if (!this.context.policy.trusts(from.address)) {
      count(this.context.ignored, 'untrusted');
      return;
    }
    const { now } = this.context;
    const peer = this.context.peers.heard(from, to, now);
    peer.knowsHeartbeats = true;
    if (this.context.config.heartbeat)
      peer.nextHeartbeat ??= now.elapsed + this.context.config.heartbeat.intervalSeconds * 1000;
    this.deadlines.watch(peer);
    if (!message.response) {
      const options: MobilityOption[] = [
        { option: 'restart-counter', counter: this.context.config.restartCounter },
      ];
      this.context.send(
        { message: 'heartbeat', response: true, unsolicited: false, sequence: message.sequence, options },
        to,
        from,
      );
      return;
    }
    if (!message.unsolicited && message.sequence !== peer.heartbeatSequence) {
      count(this.context.ignored, 'heartbeat-sequence');
      return;
    }
    peer.missing = 0;
    const counter = findOption(message.options, 'restart-counter')?.counter;
    if (counter === undefined) return;
    const { restartCounter: before, counterAt } = peer;
    peer.restartCounter = counter;
    peer.counterAt = now.elapsed;
    if (before !== null && before !== counter)
      this.peerIsGone(peer, 'has restarted without its bindings', counterAt);
  }

  /** Sends the requests that are due. */
  tick(): void {
    const { now, config } = this.context;
    for (let peer = this.deadlines.take(now.elapsed); peer; peer = this.deadlines.take(now.elapsed)) {
      if (config.heartbeat) this.due(peer, config.heartbeat);
    }
  }

  private due(peer: Peer, { intervalSeconds, missingAllowed }: NonNullable<LmaConfig['heartbeat']>): void {
    const { now, cache } = this.context;
    // Only while there is a binding with the peer (§3.1).
    if (!cache.withCareOf(peer.endpoint).length || !peer.knowsHeartbeats) {
      peer.nextHeartbeat = null;
      return;
    }
    if (peer.missing > missingAllowed) {
      peer.nextHeartbeat = null;
      peer.missing = 0;
      this.peerIsGone(peer, 'answers no heartbeats');
      return;
    }
    peer.missing += 1;
    peer.heartbeatSequence = (peer.heartbeatSequence + 1) >>> 0;
    peer.nextHeartbeat = now.elapsed + intervalSeconds * 1000;
    this.deadlines.watch(peer);
    this.context.send(
      {
        message: 'heartbeat',
        response: false,
        unsolicited: false,
        sequence: peer.heartbeatSequence,
        options: [],
      },
      peer.local,
      peer.endpoint,
    );
  }

  /** `since`: bindings registered anew after this are of the peer as it is now. */
  private peerIsGone(peer: Peer, why: string, since = Infinity): void {
    this.context.log('warn', `MAG ${why}; its bindings are removed`, undefined, peer.endpoint.address);
    const key = endpointKey(peer.endpoint);
    for (const session of this.context.cache.withCareOf(peer.endpoint)) {
      for (const { bid, careOf, since: registered } of [...session.bindings.values()]) {
        if (endpointKey(careOf) === key && registered <= since)
          this.context.cache.deleteBinding(session, bid);
      }
      this.context.settle(session);
    }
  }

  /** Binding Error of status 2: the peer MUST NOT be sent heartbeats again (§3.3). */
  bindingError(status: number, from: Endpoint): void {
    const peer = this.context.peers.find(from);
    if (!peer || status !== BindingErrorStatus.UNRECOGNIZED_MH_TYPE) return;
    peer.knowsHeartbeats = false;
    peer.nextHeartbeat = null;
  }
}
