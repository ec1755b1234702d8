/** The Proxy Binding Acknowledgement (RFC 5213 §5.3.6 with the options of RFC 5844, 5845, 7148, 8278). */
import { AckFlag, type BindingAck } from '../wire/message/binding-ack.ts';
import { Ipv4Status, Status } from '../wire/numbers.ts';
import type { MobilityOption } from '../wire/options.ts';
import { timestampOf } from '../wire/option/timestamp.ts';
import type { Binding, Session } from './binding-cache.ts';
import type { LmaConfig } from './config.ts';
import { ANY_IPV6 } from '../any-prefix.ts';
import type { Request } from './request.ts';

/** The status codes with which the LMA tells its own time (RFC 5213 §5.5). */
function tellsTime(status: number): boolean {
  return status === Status.TIMESTAMP_MISMATCH || status === Status.TIMESTAMP_LOWER_THAN_PREV_ACCEPTED;
}

function copied(request: Request, utc: number, status: number): MobilityOption[] {
  const { identity, options } = request;
  const kept: MobilityOption[] = [
    {
      option: 'mn-identifier',
      subtype: identity?.subtype ?? 1,
      identifier: identity?.identifier ?? new Uint8Array(),
    },
    { option: 'handoff-indicator', indicator: request.handoff ?? 0 },
    { option: 'access-technology-type', technology: request.technology ?? 0 },
  ];
  for (const option of options) {
    if (option.option === 'timestamp') kept.push(tellsTime(status) ? timestampOf(utc) : option);
    else if (option.option === 'mn-link-layer-identifier') kept.push(option);
  }
  return kept;
}

/** The PBA that rejects a PBU with `status`; `utc`: milliseconds since 1970, for its timestamp. */
export function reject(
  request: Request,
  status: number,
  utc: number,
  extra: { readonly sequence?: number; readonly ipv4Status?: number; readonly echoMultipath?: boolean } = {},
): BindingAck {
  const options = copied(request, utc, status);
  const { homePrefixes, ipv4Requests, multipath } = request;
  if (homePrefixes.length) options.push(...homePrefixes);
  // RFC 5844 §3.1.2.6: none in the answer to a request for IPv4 alone.
  else if (!ipv4Requests.length) {
    options.push({ option: 'home-network-prefix', prefix: ANY_IPV6, offLink: false });
  }
  const linkLocal = request.options.find((option) => option.option === 'link-local-address');
  if (linkLocal) options.push(linkLocal);
  if (ipv4Requests[0]) {
    options.push({
      option: 'ipv4-home-address-reply',
      status: extra.ipv4Status ?? Ipv4Status.FAILURE_UNSPECIFIED,
      prefix: ipv4Requests[0].prefix,
    });
  }
  if (extra.echoMultipath && multipath) options.push(multipath);
  return {
    message: 'binding-ack',
    status,
    flags: AckFlag.PROXY,
    sequence: extra.sequence ?? request.update.sequence,
    lifetime: 0,
    options,
  };
}

export function accept(
  request: Request,
  session: Session,
  /** null for a de-registration. */
  binding: Binding | null,
  config: LmaConfig,
  granted: {
    readonly lifetime: number;
    readonly multipath: boolean;
    readonly utc: number;
    /** Answers to the flows of the PBU. */
    readonly flows?: readonly MobilityOption[];
  },
): BindingAck {
  const options = copied(request, granted.utc, Status.ACCEPTED);
  const greRefused = request.greKey !== undefined && session.gre === null;
  const tlv = binding?.encapsulation === 'udp-gre';
  const plainGre = request.tlv && request.greKey !== undefined && !tlv && session.gre !== null;
  // A session of IPv4 alone has no home network prefix (RFC 5844 §3.1.2).
  for (const prefix of session.prefixes)
    options.push({ option: 'home-network-prefix', prefix, offLink: false });
  if (request.options.some((option) => option.option === 'link-local-address')) {
    options.push({ option: 'link-local-address', address: session.linkLocal });
  }
  if (session.homeAddress && request.ipv4Requests.length) {
    options.push({
      option: 'ipv4-home-address-reply',
      status: Ipv4Status.SUCCESS,
      prefix: session.homeAddress,
    });
    if (config.ipv4) options.push({ option: 'ipv4-default-router', address: config.ipv4.router });
    options.push({ option: 'ipv4-dhcp-support', server: true });
  }
  if (request.delegatedRequests.length) {
    for (const prefix of session.delegated)
      options.push({ option: 'delegated-mobile-network-prefix', prefix });
  }
  if (session.gre && request.greKey) options.push({ option: 'gre-key', key: session.gre.uplinkKey });
  // Always with F: without it the MAG may not use UDP (RFC 5844 §4.2.2).
  if (binding && (binding.encapsulation === 'udp' || binding.encapsulation === 'udp-gre')) {
    options.push({ option: 'nat-detection', force: true, refreshTime: NAT_KEEPALIVE_S });
  }
  options.push(...(granted.flows ?? []));
  if (granted.multipath && request.multipath) options.push(request.multipath);
  options.push(...request.vendorOptions);
  if (request.qos) options.push({ ...request.qos, request: request.qos.request || 1, operation: 0 });
  return {
    message: 'binding-ack',
    status: greRefused
      ? Status.GRE_KEY_OPTION_NOT_REQUIRED
      : plainGre
        ? Status.GRE_TUNNELING_BUT_TLV_HEADER_NOT_SUPPORTED
        : Status.ACCEPTED,
    flags: AckFlag.PROXY | (tlv ? AckFlag.TLV : 0),
    sequence: request.update.sequence,
    lifetime: granted.lifetime,
    options,
  };
}

/** NATKATIMEOUT (RFC 5555 §5.3). */
const NAT_KEEPALIVE_S = 110;
