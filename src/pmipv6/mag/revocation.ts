/** The LMA takes bindings back (RFC 5846 §9.1), or wants them renewed (Update Notification, RFC 7077 §5.2). */
import type { Endpoint } from '../endpoint.ts';
import { type Revocation, RevocationFlag } from '../wire/message/revocation.ts';
import type { UpdateNotification } from '../wire/message/update-notification.ts';
import {
  globalRefusal,
  nameOf,
  NotificationReason,
  RevocationStatus,
  RevocationTrigger,
} from '../wire/numbers.ts';
import { splitPrefix } from '../wire/octets.ts';
import { identifierText } from '../wire/option/identifier.ts';
import { findOption, findOptions, type MobilityOption } from '../wire/options.ts';
import type { Anchor } from './anchors.ts';
import type { MagContext } from './context.ts';
import type { Registration } from './registration.ts';
import { wanted } from './path-plan.ts';
import { clearPath, type MagSession } from './update-list.ts';

const WANTS_ANSWER = 0x8000;
/** Status of an UPA (RFC 7077 §4.2). */
const UPA_VENDOR_OPTION_MISSING = 129;
const UPA_NOT_ATTACHED = 132;
/** Triggers of a BRI that say that the node is at another MAG. */
const MOVED: ReadonlySet<number> = new Set([
  RevocationTrigger.INTER_MAG_SAME_ACCESS,
  RevocationTrigger.INTER_MAG_DIFFERENT_ACCESS,
  RevocationTrigger.INTER_MAG_UNKNOWN,
]);

export class Revocations {
  private readonly context: MagContext;
  private readonly registration: Registration;

  constructor(context: MagContext, registration: Registration) {
    this.context = context;
    this.registration = registration;
  }

  indication(message: Revocation, from: Endpoint, to: Endpoint): void {
    const anchor = this.context.anchors.find(from.address);
    if (!anchor) return this.context.ignore('untrusted', from);
    // A repetition, perhaps a late one: it must not hit what has been registered since.
    const status = anchor.revocations.get(message.sequence) ?? this.revoke(message, anchor, to);
    anchor.rememberRevocation(message.sequence, status);
    const options = message.options.filter(isNaming);
    this.context.send({ ...message, acknowledgement: true, code: status, options }, to, from, null);
  }

  private revoke(message: Revocation, anchor: Anchor, to: Endpoint): number {
    const { flags, code, options } = message;
    if (!(flags & RevocationFlag.PROXY)) return RevocationStatus.FUNCTION_NOT_SUPPORTED;
    const ours = (session: MagSession): boolean =>
      session.paths.some(({ lma, expires }) => lma?.address === anchor.address && expires !== null);
    if (flags & RevocationFlag.GLOBAL) {
      const refused = globalRefusal(code);
      if (refused !== null) return refused;
      const sessions = [...this.context.list.all()].filter(ours);
      for (const session of sessions) this.take(session, [], code);
      return sessions.length ? RevocationStatus.SUCCESS : RevocationStatus.BINDING_DOES_NOT_EXIST;
    }
    const identity = findOption(options, 'mn-identifier');
    if (!identity) return RevocationStatus.IDENTITY_REQUIRED;
    const session = this.context.list.ofNode(identifierText(identity));
    if (!session || !ours(session)) return RevocationStatus.BINDING_DOES_NOT_EXIST;
    // It has gone from an address of ours that is not the binding's any more: to another one of ours.
    if (MOVED.has(code) && !session.paths.some(({ careOf }) => careOf?.address === to.address))
      return RevocationStatus.BINDING_DOES_NOT_EXIST;
    const prefixes = findOptions(options, 'home-network-prefix').map(({ prefix }) => prefix);
    if (
      prefixes.length &&
      session.prefixes.length &&
      !prefixes.some((prefix) => session.prefixes.includes(prefix))
    ) {
      return RevocationStatus.BINDING_DOES_NOT_EXIST;
    }
    if (flags & RevocationFlag.IPV4_ONLY) return this.takeIpv4(session, options);
    const bids = findOptions(options, 'binding-identifier').map(({ bid }) => bid);
    const known = bids.filter((bid) =>
      session.paths.some((path) => path.bid === bid && path.expires !== null),
    );
    if (bids.length && !known.length) return RevocationStatus.BINDING_DOES_NOT_EXIST;
    this.take(session, known, code);
    return known.length < bids.length ? RevocationStatus.PARTIAL_SUCCESS : RevocationStatus.SUCCESS;
  }

  /**
   * `bids` empty: all. What was revoked is not registered again by itself, unless the LMA has merely lost count; a node that is said to be
   * at another MAG is once it shows itself here.
   */
  private take(session: MagSession, bids: readonly number[], trigger: number): void {
    const again = trigger === RevocationTrigger.OUT_OF_SYNC;
    this.context.log(
      'warn',
      `LMA revokes ${bids.length ? `BID ${bids.join(', ')}` : 'all bindings'}, trigger ${nameOf(RevocationTrigger, trigger)}`,
      session.node,
    );
    for (const path of session.paths) {
      if (bids.length && !bids.includes(path.bid)) continue;
      clearPath(path);
      path.known = false;
      path.revoked = bids.length > 0 && !again;
    }
    // An extension that has crossed the revocation may have brought a binding back, which bulk ones would keep alive.
    session.bulkFrom = Math.max(
      session.bulkFrom,
      this.context.now.elapsed + this.context.config.lifetime * 1000,
    );
    if (!bids.length) {
      session.away = MOVED.has(trigger);
      if (again) this.registration.restart(session);
      else session.denied = `revoked, trigger ${nameOf(RevocationTrigger, trigger)}`;
    }
    const left = session.paths.map(({ expires }) => expires ?? 0);
    session.boundUntil = Math.max(...left) || null;
    this.registration.attend(session);
  }

  private takeIpv4(session: MagSession, options: readonly MobilityOption[]): number {
    const named =
      findOption(options, 'ipv4-home-address-request') ?? findOption(options, 'ipv4-home-address-reply');
    if (!named) return RevocationStatus.IPV4_HOA_OPTION_REQUIRED;
    const { homeAddress } = session;
    if (!homeAddress || splitPrefix(homeAddress).address !== splitPrefix(named.prefix).address) {
      return RevocationStatus.BINDING_DOES_NOT_EXIST;
    }
    session.homeAddress = null;
    session.router = null;
    session.asks = { ...session.asks, ipv4: false };
    this.registration.attend(session);
    return RevocationStatus.SUCCESS;
  }

  notification(message: UpdateNotification, from: Endpoint, to: Endpoint): void {
    if (!this.context.anchors.find(from.address)) return this.context.ignore('untrusted', from);
    const identity = findOption(message.options, 'mn-identifier');
    const session = identity && this.context.list.ofNode(identifierText(identity));
    const attached = session && wanted(session);
    const vendorMissing =
      message.reason === NotificationReason.VENDOR_SPECIFIC &&
      !findOption(message.options, 'vendor-specific');
    const status = !attached ? UPA_NOT_ATTACHED : vendorMissing ? UPA_VENDOR_OPTION_MISSING : 0;
    if (message.flags & WANTS_ANSWER) {
      const { sequence } = message;
      const options = message.options.filter(isNaming);
      this.context.send({ message: 'update-notification-ack', sequence, status, options }, to, from, null);
    }
    if (status !== 0) return;
    // Whatever the reason: the LMA tells what has changed in its PBA.
    this.registration.extend(session!);
    this.registration.attend(session!);
  }
}

/** A BRA or UPA names what the BRI or UPN named (RFC 5846 §10.2). */
function isNaming({ option }: MobilityOption): boolean {
  return option === 'mn-identifier' || option === 'home-network-prefix' || option === 'binding-identifier';
}
