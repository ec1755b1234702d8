/** Binding Revocation in both directions (RFC 5846): by the operator, on handoff, and by a MAG. */
import { Deadlines } from '../deadlines.ts';
import type { Arrival, Endpoint } from '../endpoint.ts';
import type { BindingUpdate } from '../wire/message/binding-update.ts';
import { type Revocation, RevocationFlag } from '../wire/message/revocation.ts';
import { globalRefusal, Handoff, nameOf, RevocationStatus, RevocationTrigger } from '../wire/numbers.ts';
import { identifierText } from '../wire/option/identifier.ts';
import { findOption, findOptions, type MobilityOption } from '../wire/options.ts';
import { type Binding, PLAIN_BID, type Session, unbind } from './binding-cache.ts';
import { count, type LmaContext } from './context.ts';

/** First retransmission of a BRI, and the longest (RFC 5846 §13: InitMINDelayBRIs, MAX_BRACK_TIMEOUT). */
const BRI_FIRST_MS = 1000;
const BRI_MAX_MS = 2000;
const BRI_RETRIES = 1;

const NOWHERE: ReadonlySet<string> = new Set();
const LAST_SEQUENCE = 0xffff;

interface OutstandingBri {
  readonly message: Revocation;
  /** null: all bindings of the session with this MAG. */
  readonly bid: number | null;
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly node: string;
  /** On handoff: care-of addresses of the MAG that the node has left. */
  readonly left: ReadonlySet<string>;
  at: number;
  delay: number;
  retries: number;
  /** It is only kept because of extensions that are still on their way. */
  answered: boolean;
}

export class Revocations {
  private readonly context: LmaContext;
  private readonly outstanding = new Map<number, OutstandingBri>();
  private readonly byNode = new Map<string, Set<OutstandingBri>>();
  private readonly deadlines = new Deadlines<OutstandingBri>(({ at }) => at);
  private sequence = 0;

  constructor(context: LmaContext) {
    this.context = context;
  }

  nextDeadline(): number {
    return this.deadlines.next() ?? Infinity;
  }

  /** Repeats what has had no answer. */
  tick(): void {
    const { elapsed } = this.context.now;
    for (let bri = this.deadlines.take(elapsed); bri; bri = this.deadlines.take(elapsed))
      this.retransmit(bri);
  }

  /** The operator's word: one binding or, without BID, the session. */
  revoke(name: string, bid: number | undefined): void {
    const session = this.context.cache.named(name);
    if (!session) {
      this.context.log('warn', `there is no session "${name}" to revoke`);
      return;
    }
    const bindings = [...session.bindings.values()].filter(
      (binding) => bid === undefined || binding.bid === bid,
    );
    for (const binding of bindings) {
      const whole = bid === undefined;
      this.indicate(session, binding, whole ? null : bid, RevocationTrigger.ADMINISTRATIVE, NOWHERE);
    }
    for (const binding of bindings) unbind(this.context.cache, session, binding);
    this.context.settle(session);
  }

  /**
   * The data plane has no room for the session: the path that came last is given up, or the session if there is no other. Its MAG may ask
   * again by itself, for there may be room by then.
   */
  refused(name: string): void {
    const session = this.context.cache.named(name);
    const last = session && [...session.bindings.values()].at(-1);
    if (!last) return;
    const bid = session.bindings.size > 1 ? last.bid : null;
    this.indicate(session, last, bid, RevocationTrigger.OUT_OF_SYNC, NOWHERE);
    unbind(this.context.cache, session, last);
    this.context.settle(session);
  }

  /** The node moved to another MAG: the old one is told at once instead of waited for (§8.1). */
  revokeReplaced(session: Session, replaced: readonly Binding[]): void {
    const left = new Set(replaced.map(({ careOf }) => careOf.address));
    for (const binding of replaced)
      this.indicate(session, binding, null, RevocationTrigger.INTER_MAG_UNKNOWN, left);
  }

  /** The MAG at `address` registers the node: it is not told any more that the node has left it before. */
  isBack({ nodeKey }: Session, { address }: Endpoint): void {
    for (const bri of this.byNode.get(nodeKey) ?? []) if (bri.left.has(address)) this.settle(bri);
  }

  /**
   * Whether the PBU extends (HI 5) what the operator has just revoked: it was sent before its MAG knew, which will not have the binding
   * any more when the answer comes. If it never gets to know, the PBU that it repeats is taken.
   */
  crosses({ options, lifetime }: BindingUpdate, { address }: Endpoint): boolean {
    if (!this.byNode.size || lifetime === 0) return false;
    const identity = findOption(options, 'mn-identifier');
    const revoked = identity && this.byNode.get(identifierText(identity));
    if (!revoked || findOption(options, 'handoff-indicator')?.indicator !== Handoff.NOT_CHANGED) return false;
    const bid = findOption(options, 'mag-multipath-binding')?.bid ?? PLAIN_BID;
    for (const { message, to, bid: revokedBid } of revoked) {
      if (message.code !== RevocationTrigger.ADMINISTRATIVE || to.address !== address) continue;
      if (revokedBid === null || revokedBid === bid) return true;
    }
    return false;
  }

  private indicate(
    session: Session,
    binding: Binding,
    bid: number | null,
    trigger: number,
    left: ReadonlySet<string>,
  ): void {
    const options: MobilityOption[] = [{ option: 'mn-identifier', ...session.identity }];
    for (const prefix of session.prefixes)
      options.push({ option: 'home-network-prefix', prefix, offLink: false });
    if (bid !== null && bid !== PLAIN_BID) {
      options.push({
        option: 'binding-identifier',
        bid,
        status: 0,
        simultaneous: false,
        priority: 0,
        careOfAddress: null,
      });
    }
    const message: Revocation = {
      message: 'revocation',
      acknowledgement: false,
      code: trigger,
      sequence: this.nextSequence(),
      flags: RevocationFlag.PROXY,
      options,
    };
    const { local: from, signaling: to } = binding;
    const at = this.context.now.elapsed + BRI_FIRST_MS;
    const node = session.nodeKey;
    const bri = { message, bid, from, to, node, left, at, delay: BRI_FIRST_MS, retries: 0, answered: false };
    this.outstanding.set(message.sequence, bri);
    const others = this.byNode.get(node);
    if (others) others.add(bri);
    else this.byNode.set(node, new Set([bri]));
    this.deadlines.watch(bri);
    this.context.send(message, from, to);
  }

  /** One that no other revocation has; if all have one, the oldest is waited for no longer. */
  private nextSequence(): number {
    if (this.outstanding.size > LAST_SEQUENCE) this.settle(this.outstanding.values().next().value!);
    do this.sequence = (this.sequence + 1) & LAST_SEQUENCE;
    while (this.outstanding.has(this.sequence));
    return this.sequence;
  }

  /** Nothing more is said or expected. */
  private settle(bri: OutstandingBri): void {
    this.outstanding.delete(bri.message.sequence);
    this.deadlines.forget(bri);
    const others = this.byNode.get(bri.node)!;
    others.delete(bri);
    if (!others.size) this.byNode.delete(bri.node);
  }

  private retransmit(bri: OutstandingBri): void {
    if (bri.answered) {
      this.settle(bri);
      return;
    }
    if (bri.retries >= BRI_RETRIES) {
      this.settle(bri);
      this.context.log('warn', 'MAG did not answer the revocation', bri.node, bri.to.address);
      return;
    }
    bri.retries += 1;
    bri.delay = Math.min(bri.delay * 2, BRI_MAX_MS);
    bri.at = this.context.now.elapsed + bri.delay;
    this.deadlines.watch(bri);
    this.context.send(bri.message, bri.from, bri.to);
  }

  acknowledgement(message: Revocation, from: Endpoint): void {
    const bri = this.outstanding.get(message.sequence);
    if (!bri || bri.answered || bri.to.address !== from.address) {
      count(this.context.ignored, 'unmatched-bra');
      return;
    }
    bri.answered = true;
    if (bri.message.code !== RevocationTrigger.ADMINISTRATIVE) this.settle(bri);
    // A binding that is not there is what was wanted, as after the BRI over another path of the session.
    if (message.code >= 128 && message.code !== RevocationStatus.BINDING_DOES_NOT_EXIST) {
      this.context.log(
        'warn',
        `revocation refused, status ${nameOf(RevocationStatus, message.code)}`,
        bri.node,
        from.address,
      );
    }
  }

  /** A MAG takes back its bindings: those of one node, or with G all of them (§8.2). */
  indication(message: Revocation, arrival: Arrival): void {
    const { from, to } = arrival;
    const status = this.revokedByMag(message, arrival);
    if (status === null) return;
    this.context.send(
      { ...message, acknowledgement: true, code: status, options: ackOptions(message) },
      to,
      from,
    );
  }

  private revokedByMag(message: Revocation, arrival: Arrival): number | null {
    const { from } = arrival;
    if (!this.context.policy.trusts(from.address)) {
      count(this.context.ignored, 'untrusted');
      return null;
    }
    if (!(message.flags & RevocationFlag.PROXY)) return RevocationStatus.FUNCTION_NOT_SUPPORTED;
    const global = (message.flags & RevocationFlag.GLOBAL) !== 0;
    const refused = global ? globalRefusal(message.code) : null;
    if (refused !== null) return refused;
    const identity = findOption(message.options, 'mn-identifier');
    // §8.2: a MAG that revokes all of its own has to say who it is.
    if (!identity)
      return global ? RevocationStatus.GLOBAL_NOT_AUTHORIZED : RevocationStatus.IDENTITY_REQUIRED;
    const key = identifierText(identity);
    const sessions = global
      ? [...this.context.cache.sessions()].filter(({ mag, bindings }) =>
          mag === key ? anyOf(bindings, arrival) : false,
        )
      : this.context.cache.ofNode(key).filter(({ bindings }) => anyOf(bindings, arrival));
    if (!sessions.length) return RevocationStatus.BINDING_DOES_NOT_EXIST;
    const bids = findOptions(message.options, 'binding-identifier').map(({ bid }) => bid);
    for (const session of sessions) {
      for (const binding of [...session.bindings.values()]) {
        if (bids.length && !bids.includes(binding.bid)) continue;
        unbind(this.context.cache, session, binding);
      }
      this.context.log('info', 'bindings revoked by the MAG', session.nodeKey, from.address);
      this.context.settle(session);
    }
    return RevocationStatus.SUCCESS;
  }
}

/** Whether one of the bindings is the MAG's that has sent a message: of its address, and behind a NAT of its key as well. */
function anyOf(bindings: ReadonlyMap<number, Binding>, { from, identity }: Arrival): boolean {
  for (const { careOf, speaker } of bindings.values()) {
    if (careOf.address === from.address && (identity === null || speaker === identity)) return true;
  }
  return false;
}

/** A BRA names what the BRI named (RFC 5846 §6.1.2). */
function ackOptions({ options }: Revocation): MobilityOption[] {
  return options.filter(
    ({ option }) =>
      option === 'mn-identifier' || option === 'home-network-prefix' || option === 'binding-identifier',
  );
}
