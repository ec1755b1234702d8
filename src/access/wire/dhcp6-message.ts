/** DHCPv6 messages between clients and servers (RFC 8415 §8, options of §21, RFC 3646): octets of the UDP payload to objects and back. */
import { TunloomError } from '../../errors.ts';
import { formatAddress, parseAddress, parsePrefix } from '../../ip.ts';

export const DHCP6_CLIENT_PORT = 546;
export const DHCP6_SERVER_PORT = 547;

/** RFC 8415 §7.3, without those of relay agents, whose messages have another form. */
export const Dhcp6Type = {
  SOLICIT: 1,
  ADVERTISE: 2,
  REQUEST: 3,
  CONFIRM: 4,
  RENEW: 5,
  REBIND: 6,
  REPLY: 7,
  RELEASE: 8,
  DECLINE: 9,
  RECONFIGURE: 10,
  INFORMATION_REQUEST: 11,
} as const;

/** RFC 8415 §21, RFC 3646 §3. */
export const Dhcp6Option = {
  CLIENT_ID: 1,
  SERVER_ID: 2,
  IA_NA: 3,
  IA_TA: 4,
  OPTION_REQUEST: 6,
  STATUS: 13,
  RAPID_COMMIT: 14,
  DNS: 23,
  IA_PD: 25,
  IA_PREFIX: 26,
} as const;

/** RFC 8415 §21.13. */
export const Dhcp6Status = {
  SUCCESS: 0,
  UNSPECIFIED_FAILURE: 1,
  NO_ADDRESSES_AVAILABLE: 2,
  NO_BINDING: 3,
  NOT_ON_LINK: 4,
  USE_MULTICAST: 5,
  NO_PREFIX_AVAILABLE: 6,
} as const;

export interface StatusCode {
  readonly code: number;
  readonly text: string;
}

/** An IA Prefix option (§21.22); lifetimes in seconds. ::/n asks for any prefix of length n. */
export interface OfferedPrefix {
  readonly prefix: string;
  readonly preferredLifetime: number;
  readonly validLifetime: number;
}

/** An identity association: a set of leases, with their number at the client (§4.2). */
export interface IdentityAssociation {
  readonly option: typeof Dhcp6Option.IA_NA | typeof Dhcp6Option.IA_TA | typeof Dhcp6Option.IA_PD;
  readonly id: number;
  /** T1 and T2, seconds; 0 in an IA_TA, which has none. */
  readonly renewAfter: number;
  readonly rebindAfter: number;
  /** Of an IA_PD; addresses of the others are skipped. */
  readonly prefixes: readonly OfferedPrefix[];
  readonly status: StatusCode | null;
}

export interface Dhcp6Message {
  readonly type: number;
  /** 24 bits. */
  readonly transaction: number;
  /** DUIDs; null: the option is not there. */
  readonly clientId: Uint8Array | null;
  readonly serverId: Uint8Array | null;
  readonly status: StatusCode | null;
  readonly rapidCommit: boolean;
  readonly associations: readonly IdentityAssociation[];
  /** Numbers of the options that the client asks for. */
  readonly requested: readonly number[];
  readonly dns: readonly string[];
}

const HEADER = 4;
const OPTION_HEADER = 4;
/** §11.1: a type of two octets and 1 to 128 others. */
const LEAST_DUID = 3;
const LONGEST_DUID = 130;
/** Fixed parts of the options. */
const IA_TA_FIXED = 4;
const IA_FIXED = 12;
const PREFIX_FIXED = 25;

/** Throws BAD_DHCP6 naming the octet, and nothing else, for octets that are no message of a client or server. */
export function decodeDhcp6(octets: Uint8Array): Dhcp6Message {
  if (octets.length < HEADER) throw bad(octets.length, `${octets.length} octets, at least ${HEADER}`);
  const type = octets[0]!;
  if (type < Dhcp6Type.SOLICIT || type > Dhcp6Type.INFORMATION_REQUEST) throw bad(0, `message type ${type}`);
  let clientId: Uint8Array | null = null;
  let serverId: Uint8Array | null = null;
  let status: StatusCode | null = null;
  let rapidCommit = false;
  const associations: IdentityAssociation[] = [];
  const requested: number[] = [];
  const dns: string[] = [];
  // What may come once counts where it comes first (§21: "each option MUST NOT appear more than once").
  forEachOption(octets, HEADER, octets.length, (option, at, end) => {
    switch (option) {
      case Dhcp6Option.CLIENT_ID:
        clientId ??= readDuid(octets, at, end);
        break;
      case Dhcp6Option.SERVER_ID:
        serverId ??= readDuid(octets, at, end);
        break;
      case Dhcp6Option.STATUS:
        status ??= readStatus(octets, at, end);
        break;
      case Dhcp6Option.RAPID_COMMIT:
        rapidCommit = true;
        break;
      case Dhcp6Option.IA_NA:
      case Dhcp6Option.IA_TA:
      case Dhcp6Option.IA_PD:
        associations.push(readAssociation(octets, option, at, end));
        break;
      case Dhcp6Option.OPTION_REQUEST:
        if ((end - at) % 2) throw bad(at, 'an odd Option Request');
        for (let i = at; i < end; i += 2) requested.push((octets[i]! << 8) | octets[i + 1]!);
        break;
      case Dhcp6Option.DNS:
        if ((end - at) % 16) throw bad(at, 'a DNS server is cut off');
        for (let i = at; i < end; i += 16) dns.push(formatAddress(octets.subarray(i, i + 16)));
        break;
    }
  });
  const transaction = (octets[1]! << 16) | (octets[2]! << 8) | octets[3]!;
  return { type, transaction, clientId, serverId, status, rapidCommit, associations, requested, dns };
}

export function encodeDhcp6(message: Dhcp6Message): Uint8Array {
  const { transaction } = message;
  const parts: number[][] = [
    [message.type, transaction >>> 16, (transaction >>> 8) & 255, transaction & 255],
  ];
  if (message.clientId) parts.push(option(Dhcp6Option.CLIENT_ID, [...message.clientId]));
  if (message.serverId) parts.push(option(Dhcp6Option.SERVER_ID, [...message.serverId]));
  if (message.status) parts.push(statusOption(message.status));
  if (message.rapidCommit) parts.push(option(Dhcp6Option.RAPID_COMMIT, []));
  for (const association of message.associations) parts.push(associationOption(association));
  if (message.requested.length) {
    parts.push(option(Dhcp6Option.OPTION_REQUEST, message.requested.flatMap(number16)));
  }
  if (message.dns.length) {
    parts.push(
      option(
        Dhcp6Option.DNS,
        message.dns.flatMap((server) => [...parseAddress(server).bytes]),
      ),
    );
  }
  return Uint8Array.from(parts.flat());
}

function associationOption({
  option: number,
  id,
  renewAfter,
  rebindAfter,
  prefixes,
  status,
}: IdentityAssociation): number[] {
  const timers = number === Dhcp6Option.IA_TA ? [] : [...number32(renewAfter), ...number32(rebindAfter)];
  const inner = prefixes.flatMap(({ prefix, preferredLifetime, validLifetime }) => {
    const { bytes, length } = parsePrefix(prefix);
    return option(Dhcp6Option.IA_PREFIX, [
      ...number32(preferredLifetime),
      ...number32(validLifetime),
      length,
      ...bytes,
    ]);
  });
  return option(number, [...number32(id), ...timers, ...inner, ...(status ? statusOption(status) : [])]);
}

function statusOption({ code, text }: StatusCode): number[] {
  return option(Dhcp6Option.STATUS, [...number16(code), ...new TextEncoder().encode(text)]);
}

function option(number: number, value: readonly number[]): number[] {
  return [...number16(number), ...number16(value.length), ...value];
}

function number16(value: number): number[] {
  return [value >>> 8, value & 255];
}

function number32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

function readAssociation(
  octets: Uint8Array,
  option: IdentityAssociation['option'],
  at: number,
  end: number,
): IdentityAssociation {
  const temporary = option === Dhcp6Option.IA_TA;
  const fixed = temporary ? IA_TA_FIXED : IA_FIXED;
  if (end - at < fixed) throw bad(at, `identity association of ${end - at} octets, at least ${fixed}`);
  const prefixes: OfferedPrefix[] = [];
  let status: StatusCode | null = null;
  forEachOption(octets, at + fixed, end, (inner, from, to) => {
    if (inner === Dhcp6Option.STATUS) status ??= readStatus(octets, from, to);
    else if (inner === Dhcp6Option.IA_PREFIX && option === Dhcp6Option.IA_PD) {
      prefixes.push(readPrefix(octets, from, to));
    }
  });
  return {
    option,
    id: read32(octets, at),
    renewAfter: temporary ? 0 : read32(octets, at + 4),
    rebindAfter: temporary ? 0 : read32(octets, at + 8),
    prefixes,
    status,
  };
}

/** Options inside are read over; they must be whole all the same. */
function readPrefix(octets: Uint8Array, at: number, end: number): OfferedPrefix {
  if (end - at < PREFIX_FIXED) throw bad(at, `IA Prefix of ${end - at} octets, at least ${PREFIX_FIXED}`);
  const length = octets[at + 8]!;
  if (length > 128) throw bad(at + 8, `prefix length ${length}`);
  forEachOption(octets, at + PREFIX_FIXED, end, () => {});
  const bytes = octets.slice(at + 9, at + PREFIX_FIXED);
  for (let bit = length; bit < 128; bit++) bytes[bit >> 3]! &= ~(0x80 >> (bit & 7));
  return {
    prefix: `${formatAddress(bytes)}/${length}`,
    preferredLifetime: read32(octets, at),
    validLifetime: read32(octets, at + 4),
  };
}

function readDuid(octets: Uint8Array, at: number, end: number): Uint8Array {
  const length = end - at;
  if (length < LEAST_DUID || length > LONGEST_DUID) throw bad(at, `DUID of ${length} octets`);
  return octets.slice(at, end);
}

function readStatus(octets: Uint8Array, at: number, end: number): StatusCode {
  if (end - at < 2) throw bad(at, 'status code is cut off');
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(octets.subarray(at + 2, end));
  return { code: (octets[at]! << 8) | octets[at + 1]!, text };
}

function read32(octets: Uint8Array, at: number): number {
  return ((octets[at]! << 24) | (octets[at + 1]! << 16) | (octets[at + 2]! << 8) | octets[at + 3]!) >>> 0;
}

/** Calls back with the number of each option and where its value begins and ends. */
function forEachOption(
  octets: Uint8Array,
  from: number,
  to: number,
  take: (option: number, at: number, end: number) => void,
): void {
  for (let at = from; at < to;) {
    if (at + OPTION_HEADER > to) throw bad(at, 'an option is cut off');
    const number = (octets[at]! << 8) | octets[at + 1]!;
    const length = (octets[at + 2]! << 8) | octets[at + 3]!;
    const end = at + OPTION_HEADER + length;
    if (end > to) throw bad(at, `option ${number} is cut off`);
    take(number, at + OPTION_HEADER, end);
    at = end;
  }
}

function bad(octet: number, reason: string): TunloomError {
  return new TunloomError('BAD_DHCP6', `DHCPv6 message, octet ${octet}: ${reason}`);
}
