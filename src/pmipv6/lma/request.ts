/** A PBU taken apart once, so that every rule reads the same words. */
import type { Arrival, Endpoint } from '../endpoint.ts';
import type { WanMetrics } from '../tunnel-session.ts';
import { type BindingUpdate, UpdateFlag } from '../wire/message/binding-update.ts';
import { hex, splitPrefix } from '../wire/octets.ts';
import { type Identifier, identifierText } from '../wire/option/identifier.ts';
import type { MagMultipathBinding } from '../wire/option/mag-multipath-binding.ts';
import type { VendorSpecific } from '../wire/option/vendor-specific.ts';
import type { QualityOfService } from '../wire/option/quality-of-service.ts';
import { findOption, findOptions, type MobilityOption, type OptionOf } from '../wire/options.ts';
import { decodeWanMetrics, metricsOfQos } from '../wan-metrics.ts';
import { ANY_IPV6 } from '../any-prefix.ts';

export interface Request {
  readonly update: BindingUpdate;
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly options: readonly MobilityOption[];
  readonly identity: Identifier | undefined;
  /** Empty without MN-ID. */
  readonly nodeKey: string;
  /** Alternate Care-of Address, else the packet's source. */
  readonly careOf: Endpoint;
  readonly homePrefixes: readonly OptionOf<'home-network-prefix'>[];
  /** Without ALL_ZERO. */
  readonly namedPrefixes: readonly string[];
  readonly handoff: number | undefined;
  readonly technology: number | undefined;
  /** Hex; empty without the option. */
  readonly linkLayerId: string;
  readonly ipv4Requests: readonly OptionOf<'ipv4-home-address-request'>[];
  /** The IPv4 home address asked for, as /32; null without one or if it is ALL_ZERO. */
  readonly namedAddress: string | null;
  readonly delegatedRequests: readonly string[];
  readonly timestamp: bigint | undefined;
  readonly greKey: OptionOf<'gre-key'> | undefined;
  readonly multipath: MagMultipathBinding | undefined;
  /** MAG Identifier in words. */
  readonly mag: string | undefined;
  /** The MAG Identifier that the key of the message stands for; without one the option's, null if there is none either. */
  readonly speaker: string | null;
  readonly forceUdp: boolean;
  readonly tlv: boolean;
  readonly deregistration: boolean;
  readonly metrics: WanMetrics;
  /** Our vendor's options, echoed to show that they were understood (RFC 5094 §3). */
  readonly vendorOptions: readonly VendorSpecific[];
  readonly qos: QualityOfService | undefined;
}

/** `vendor`: enterprise number of the WAN metrics option. */
export function readRequest(update: BindingUpdate, arrival: Arrival, vendor: number): Request {
  const { from, to, identity: speaker } = arrival;
  const { options } = update;
  const identity = findOption(options, 'mn-identifier');
  const homePrefixes = findOptions(options, 'home-network-prefix');
  const alternate = findOption(options, 'alternate-care-of-address');
  const multipath = findOption(options, 'mag-multipath-binding');
  const magIdentifier = findOption(options, 'mag-identifier');
  const mag = magIdentifier && identifierText(magIdentifier);
  const vendorOptions = findOptions(options, 'vendor-specific').filter((option) => option.vendor === vendor);
  const ipv4Requests = findOptions(options, 'ipv4-home-address-request');
  const home = ipv4Requests[0] && splitPrefix(ipv4Requests[0].prefix).address;
  const qos = findOption(options, 'quality-of-service');
  const linkLayerId = findOption(options, 'mn-link-layer-identifier');
  return {
    update,
    from,
    to,
    options,
    identity,
    nodeKey: identity ? identifierText(identity) : '',
    careOf: alternate ? { address: alternate.address, port: null } : from,
    homePrefixes,
    namedPrefixes: homePrefixes.map(({ prefix }) => prefix).filter((prefix) => prefix !== ANY_IPV6),
    handoff: findOption(options, 'handoff-indicator')?.indicator,
    technology: findOption(options, 'access-technology-type')?.technology,
    linkLayerId: linkLayerId ? hex(linkLayerId.identifier) : '',
    ipv4Requests,
    namedAddress: home === undefined || home === '0.0.0.0' ? null : `${home}/32`,
    delegatedRequests: findOptions(options, 'delegated-mobile-network-prefix').map(({ prefix }) => prefix),
    timestamp: findOption(options, 'timestamp')?.ticks,
    greKey: findOption(options, 'gre-key'),
    multipath,
    mag,
    speaker: speaker ?? mag ?? null,
    forceUdp: (update.flags & UpdateFlag.FORCE_UDP) !== 0,
    tlv: (update.flags & UpdateFlag.TLV) !== 0,
    deregistration: update.lifetime === 0,
    metrics: { ...metricsOfQos(qos), ...decodeWanMetrics(vendorOptions, multipath?.bid) },
    vendorOptions,
    qos,
  };
}
