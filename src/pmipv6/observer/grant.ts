/** What an accepted PBA grants, read together with the PBU that it answers (RFC 5213, 5844, 5845, 7148, 7389, 8278). */
import { ANY_IPV4, ANY_IPV6 } from '../any-prefix.ts';
import { hostPrefix, PLAIN_BID } from '../lma/binding-cache.ts';
import type { Request } from '../lma/request.ts';
import type { TunnelEncapsulation, WanMetrics } from '../tunnel-session.ts';
import { AckFlag, type BindingAck } from '../wire/message/binding-ack.ts';
import { LIFETIME_UNIT_S, Status } from '../wire/numbers.ts';
import { identifierText } from '../wire/option/identifier.ts';
import { findOption, findOptions } from '../wire/options.ts';

/** The first status that rejects (RFC 5213 §8.9 with §8.2). */
const FIRST_REJECTION = 128;
/** Options that cannot be left out of account: 22, 31, 33, 37, 55, 59, 63. */
const DECISIVE = new Set([22, 31, 33, 37, 55, 59, 63]);

/** GRE keys by direction; null for GRE without keys. */
export interface Keys {
  readonly downlink: number | null;
  readonly uplink: number | null;
}

export interface Grant {
  /** What the PBU did not ask about is undefined and stays as it was. */
  readonly homePrefixes: readonly string[] | undefined;
  readonly homeAddress: string | null | undefined;
  readonly delegated: readonly string[] | undefined;
  /** 1..254, or PLAIN_BID: the LMA does not do multipath for this node (RFC 8278 §3, rule R7). */
  readonly bid: number;
  readonly label: number | null;
  readonly technology: number;
  /** Milliseconds; 0: de-registered. */
  readonly lifetime: number;
  /** B: all of the node's bindings live as long. */
  readonly bulk: boolean;
  /** O: this binding replaces the others. */
  readonly overwrite: boolean;
  /** The tunnel's ends. */
  readonly careOf: string;
  readonly anchor: string;
  readonly encapsulation: TunnelEncapsulation;
  /** null: the tunnel is not GRE. */
  readonly keys: Keys | null;
  readonly metrics: WanMetrics;
}

/** Why an answer grants nothing. */
export interface Refusal {
  readonly refused: string;
}

/** What `ack` grants of what `request` asked for. */
export function readGrant(request: Request, ack: BindingAck): Grant | Refusal {
  if (ack.status >= FIRST_REJECTION) return { refused: `status ${ack.status}` };
  const { options } = ack;
  for (const option of options) {
    if (option.option === 'malformed' && DECISIVE.has(option.type))
      return { refused: `malformed option ${option.type}` };
  }
  const identity = findOption(options, 'mn-identifier');
  if (!identity || identifierText(identity) !== request.nodeKey) return { refused: 'another MN-ID' };
  const granted = findOption(options, 'mag-multipath-binding');
  if (granted && granted.bid !== request.multipath?.bid) return { refused: 'another BID' };
  if (granted && (granted.bid < 1 || granted.bid > 254)) return { refused: `reserved BID ${granted.bid}` };
  const encapsulation = encapsulationOf(request, ack);
  const gre = encapsulation === 'gre' || encapsulation === 'udp-gre';
  const lifetime = ack.lifetime * LIFETIME_UNIT_S * 1000;
  const anchor = findOption(options, 'lma-user-plane-address')?.address ?? request.to.address;
  if (anchor.includes(':') !== request.careOf.address.includes(':'))
    return { refused: 'ends of two families' };
  return {
    ...prefixesOf(request, ack),
    bid: granted ? granted.bid : PLAIN_BID,
    label: granted ? granted.label : null,
    technology: granted ? granted.technology : (request.technology ?? 0),
    lifetime: request.deregistration ? 0 : lifetime,
    bulk: granted !== undefined && request.multipath!.bulk,
    overwrite: granted !== undefined && request.multipath!.overwrite,
    careOf: request.careOf.address,
    anchor,
    encapsulation,
    keys: gre
      ? { downlink: request.greKey?.key ?? null, uplink: findOption(options, 'gre-key')?.key ?? null }
      : null,
    metrics: request.metrics,
  };
}

function prefixesOf(
  request: Request,
  { options }: BindingAck,
): Pick<Grant, 'homePrefixes' | 'homeAddress' | 'delegated'> {
  const reply = findOption(options, 'ipv4-home-address-reply');
  const address = reply && reply.status < FIRST_REJECTION ? hostPrefix(reply.prefix) : null;
  const named = (name: 'home-network-prefix' | 'delegated-mobile-network-prefix'): string[] =>
    findOptions(options, name)
      .map(({ prefix }) => prefix)
      .filter((prefix) => prefix !== ANY_IPV6 && prefix !== ANY_IPV4);
  return {
    homePrefixes: request.homePrefixes.length ? named('home-network-prefix') : undefined,
    homeAddress: request.ipv4Requests.length ? (address === '0.0.0.0/32' ? null : address) : undefined,
    delegated: request.delegatedRequests.length ? named('delegated-mobile-network-prefix') : undefined,
  };
}

/** RFC 5844 §4.1, RFC 5845 §7: what both sides come to by the same options. */
function encapsulationOf(request: Request, ack: BindingAck): TunnelEncapsulation {
  // Without the GRE Key option in the PBA the LMA does not know it, or does not want it (status 2).
  const gre = request.greKey !== undefined && findOption(ack.options, 'gre-key') !== undefined;
  const udp = request.from.port !== null && findOption(ack.options, 'nat-detection')?.force === true;
  if (!udp || ack.status === Status.GRE_TUNNELING_BUT_TLV_HEADER_NOT_SUPPORTED) return gre ? 'gre' : 'ipip';
  return gre && (ack.flags & AckFlag.TLV) !== 0 ? 'udp-gre' : 'udp';
}
