/** Binding Revocation in both directions (RFC 5846): by the operator, on handoff, and by a MAG. */
import type { Arrival, Endpoint } from '../endpoint.ts';
import { type Revocation, RevocationFlag } from '../wire/message/revocation.ts';
import { globalRefusal, nameOf, RevocationStatus, RevocationTrigger } from '../wire/numbers.ts';
import { identifierText } from '../wire/option/identifier.ts';
import { findOption, findOptions, type MobilityOption } from '../wire/options.ts';
import { type Binding, PLAIN_BID, type Session } from './binding-cache.ts';
import { count, type LmaContext } from './context.ts';

/** First retransmission of a BRI, and the longest (RFC 5846 §13: InitMINDelayBRIs, MAX_BRACK_TIMEOUT). */
const BRI_FIRST_MS = 1000;
const BRI_MAX_MS = 2000;
const BRI_RETRIES = 1;

const NOWHERE: ReadonlySet<string> = new Set();

interface OutstandingBri {
  readonly message: Revocation;
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly node: string;
  /** On handoff: care-of addresses of the MAG that the node has left. */
  readonly left: ReadonlySet<string>;
  at: number;
  delay: number;
  retries: number;
}

export class Revocations {
  private readonly context: LmaContext;
  private readonly outstanding = new Map<number, OutstandingBri>();
  private sequence = 0;

  constructor(context: LmaContext) {
    this.context = context;
  }

  nextDeadline(): number {
    let next = Infinity;
    for (const { at } of this.outstanding.values()) next = Math.min(next, at);
    return next;
  }

  /** Repeats what has had no answer. */
  tick(): void {
    for (const [sequence, bri] of this.outstanding) {
      if (bri.at <= this.context.now.elapsed) this.retransmit(sequence, bri);
    }
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
    for (const binding of bindings) this.context.cache.deleteBinding(session, binding.bid);
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
    for (const [sequence, { node, left }] of this.outstanding) {
      if (node === nodeKey && left.has(address)) this.outstanding.delete(sequence);
    }
  }

  private indicate(
    session: Session,
    binding: Binding,
    bid: number | null,
    trigger: number,
    left: ReadonlySet<string>,
  ): void {
    this.sequence = (this.sequence + 1) & 0xffff;
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
      sequence: this.sequence,
      flags: RevocationFlag.PROXY,
      options,
    };
    const { local: from, signaling: to } = binding;
    const at = this.context.now.elapsed + BRI_FIRST_MS;
    const node = session.nodeKey;
    const bri = { message, from, to, node, left, at, delay: BRI_FIRST_MS, retries: 0 };
    this.outstanding.set(message.sequence, bri);
    this.context.send(message, from, to);
  }

  private retransmit(sequence: number, bri: OutstandingBri): void {
    if (bri.retries >= BRI_RETRIES) {
      this.outstanding.delete(sequence);
      this.context.log('warn', 'MAG did not answer the revocation', bri.node, bri.to.address);
      return;
    }
    bri.retries += 1;
    bri.delay = Math.min(bri.delay * 2, BRI_MAX_MS);
    bri.at = this.context.now.elapsed + bri.delay;
    this.context.send(bri.message, bri.from, bri.to);
  }

  acknowledgement(message: Revocation, from: Endpoint): void {
    const bri = this.outstanding.get(message.sequence);
    if (!bri || bri.to.address !== from.address) {
      count(this.context.ignored, 'unmatched-bra');
      return;
    }
    this.outstanding.delete(message.sequence);
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
        this.context.cache.deleteBinding(session, binding.bid);
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
