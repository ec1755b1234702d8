/** A PBA taken apart once, and whether it is one that the MAG may believe (RFC 5213 §6.9.1.2). */
import { formatAddress, parseAddress } from '../../ip.ts';
import { ANY_IPV6 } from '../any-prefix.ts';
import { AckFlag, type BindingAck } from '../wire/message/binding-ack.ts';
import { Ipv4Status, LIFETIME_UNIT_S } from '../wire/numbers.ts';
import { hex, splitPrefix } from '../wire/octets.ts';
import { identifierText } from '../wire/option/identifier.ts';
import type { MagMultipathBinding } from '../wire/option/mag-multipath-binding.ts';
import type { WanMetrics } from '../tunnel-session.ts';
import { findOption, findOptions, type OptionOf } from '../wire/options.ts';
import { decodeWanMetrics, metricsOfQos } from '../wan-metrics.ts';
import type { MagSession, Transmission } from './update-list.ts';

export interface Answer {
  readonly ack: BindingAck;
  readonly accepted: boolean;
  /** Milliseconds. */
  readonly lifetime: number;
  /** Without ALL_ZERO, without host bits. */
  readonly prefixes: readonly string[];
  readonly offLink: ReadonlySet<string>;
  /** With the prefix length of its subnet; null: none granted. */
  readonly homeAddress: string | null;
  readonly router: string | null;
  readonly delegated: readonly string[];
  readonly linkLocal: string | null;
  readonly greKey: OptionOf<'gre-key'> | undefined;
  readonly tlv: boolean;
  /** NAT Detection with F: IPv4 tunnels use UDP (RFC 5844 §4.2.2). */
  readonly udp: boolean;
  readonly multipath: MagMultipathBinding | undefined;
  readonly parameters: OptionOf<'lma-controlled-mag-parameters'> | undefined;
  /** The LMA echoes our vendor's options: it is one of ours (RFC 5094 §3). */
  readonly metrics: WanMetrics;
}

/** `bid` and `vendor`: which WAN metrics count. */
export function readAnswer(ack: BindingAck, bid: number, vendor: number): Answer {
  const { options } = ack;
  const home = findOptions(options, 'home-network-prefix').filter(({ prefix }) => prefix !== ANY_IPV6);
  const reply = findOption(options, 'ipv4-home-address-reply');
  const linkLocal = findOption(options, 'link-local-address')?.address;
  const vendorOptions = findOptions(options, 'vendor-specific').filter((option) => option.vendor === vendor);
  return {
    ack,
    accepted: ack.status < 128,
    lifetime: ack.lifetime * LIFETIME_UNIT_S * 1000,
    prefixes: home.map(({ prefix }) => network(prefix)),
    offLink: new Set(home.filter((option) => option.offLink).map(({ prefix }) => network(prefix))),
    homeAddress: reply?.status === Ipv4Status.SUCCESS ? reply.prefix : null,
    router: findOption(options, 'ipv4-default-router')?.address ?? null,
    delegated: findOptions(options, 'delegated-mobile-network-prefix')
      .map(({ prefix }) => network(prefix))
      .filter((prefix) => !prefix.endsWith('/0')),
    linkLocal: linkLocal === undefined || linkLocal === '::' ? null : linkLocal,
    greKey: findOption(options, 'gre-key'),
    tlv: (ack.flags & AckFlag.TLV) !== 0,
    udp: findOption(options, 'nat-detection')?.force ?? false,
    multipath: findOption(options, 'mag-multipath-binding'),
    parameters: findOption(options, 'lma-controlled-mag-parameters'),
    metrics: {
      ...metricsOfQos(findOption(options, 'quality-of-service')),
      ...decodeWanMetrics(vendorOptions, bid),
    },
  };
}

/**
 * What in the PBA is not what was sent: the MAG then ignores it and does not retransmit (§6.9.1.2). An option that is absent does not
 * differ; `strict` false forgives another MN-ID as well.
 */
export function mismatch(
  { options }: BindingAck,
  { node }: MagSession,
  sent: Transmission,
  strict: boolean,
): string | undefined {
  const identity = findOption(options, 'mn-identifier');
  if (strict && identity && identifierText(identity) !== node) return 'MN Identifier';
  const handoff = findOption(options, 'handoff-indicator');
  // 0 stands for "the PBU had none" (§5.3.6).
  if (handoff && handoff.indicator !== sent.handoff) return 'Handoff Indicator';
  const technology = findOption(options, 'access-technology-type');
  if (technology && technology.technology !== sent.technology) return 'Access Technology Type';
  const linkLayer = findOption(options, 'mn-link-layer-identifier');
  if (linkLayer && hex(linkLayer.identifier) !== hex(sent.linkLayer ?? new Uint8Array())) {
    return 'MN Link-layer Identifier';
  }
  return undefined;
}

/** The LMA's parameters have a zero where there must be none: the PBA is to be ignored (RFC 8127 §3.1, §3.2). */
export function impossibleParameters({ parameters }: Answer): boolean {
  const registration = parameters?.registration;
  const heartbeat = parameters?.heartbeat;
  return (
    (registration !== null &&
      registration !== undefined &&
      (!registration.start || !registration.firstRetransmission || !registration.maximumRetransmission)) ||
    (heartbeat !== null &&
      heartbeat !== undefined &&
      (!heartbeat.interval || !heartbeat.maximumRetransmissions))
  );
}

/** The prefix without host bits, which some LMAs leave in. */
function network(text: string): string {
  const { address, length } = splitPrefix(text);
  const { bytes } = parseAddress(address);
  for (let bit = length; bit < bytes.length * 8; bit++) bytes[bit >> 3]! &= ~(0x80 >> (bit & 7));
  return `${formatAddress(bytes)}/${length}`;
}
