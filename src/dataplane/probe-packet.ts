/**
 * The outer packet of a probe (docs/probes.md), as raw sockets and UDP sockets of the control thread send it (endpoints.ts): the path's own
 * header, then a GRE header of the session's key with the protocol type of probes; or, where there is no key, an inner UDP packet between
 * an address of the session and the link-local address of probes.
 */
import * as L from '../../assembly/layout.ts';
import { internetChecksum } from '../internet-checksum.ts';
import { encodeSockaddr, parseAddress, parsePrefix } from '../ip.ts';
import { type PathTemplate, buildPathTemplate, isKeyed } from './path-template.ts';
import type { PathSpec, SessionSpec } from './session-spec.ts';

export interface ProbePacket {
  /** What the socket is given. */
  readonly bytes: Uint8Array;
  readonly sockaddr: Uint8Array;
  readonly sockaddrLength: number;
  /** Puts the PROBE_LENGTH octets of the probe itself into `bytes`. */
  fill(message: Uint8Array): void;
}

const PROTOCOL_UDP = 17;
/** It goes no further than the far end of the tunnel. */
const HOP_LIMIT = 1;

/**
 * A packet whose message is still to be filled in, for an endpoint of `mode` (MODE_*); `role` is the sender's (ROLE_*). With a key it may be padded
 * behind the message, to `octets` in all: receivers look at the first octets only.
 */
export function buildProbePacket(
  path: PathSpec,
  session: Pick<SessionSpec, 'sendKey' | 'prefixes'>,
  role: number,
  mode: number,
  octets = 0,
): ProbePacket {
  const keyed = isKeyed(path);
  const template = buildPathTemplate(
    { ...path, gre: { key: keyed, sequence: false, checksum: false } },
    session.sendKey,
  );
  const inner = keyed ? null : innerHeaders(session.prefixes[0]!, role);
  const start = template.bytes.length;
  const headers = Uint8Array.from([...template.bytes, ...(inner?.bytes ?? [])]);
  const whole = new Uint8Array(Math.max(headers.length + L.PROBE_LENGTH, keyed ? octets : 0));
  whole.set(headers);
  const byUdp = mode === L.MODE_UDP4 || mode === L.MODE_UDP6;
  completeOuter(whole, template, path, inner?.family ?? null);
  const bytes = byUdp ? whole.subarray(template.udpOffset + 8) : whole;
  const message = whole.subarray(headers.length, headers.length + L.PROBE_LENGTH);
  const sockaddr = encodeSockaddr(parseAddress(path.remote), byUdp ? path.remotePort : 0);
  return {
    bytes,
    sockaddr: sockaddr.bytes,
    sockaddrLength: sockaddr.length,
    fill: (octets) => {
      message.set(octets);
      if (inner) completeUdp(whole.subarray(start), inner.family);
    },
  };
}

/** Lengths and types that depend on what is inside. raw(7) fills in total length, identification and checksum of IPv4; of IPv6 nothing. */
function completeOuter(
  whole: Uint8Array,
  { family, greOffset, tlvOffset, protocolOffset }: PathTemplate,
  path: PathSpec,
  inner: 4 | 6 | null,
): void {
  const view = new DataView(whole.buffer);
  if (greOffset) {
    const types = { 4: 0x0800, 6: 0x86dd };
    view.setUint16(greOffset + 2, inner ? types[inner] : L.PROBE_TYPE);
  }
  if (protocolOffset) whole[protocolOffset] = inner === 4 ? 4 : 41;
  if (tlvOffset) view.setUint16(tlvOffset + 2, whole.length - tlvOffset - 4);
  if (path.dscp !== 'copy') {
    const tos = path.dscp << 2;
    if (family === 4) whole[1] = tos;
    else view.setUint16(0, 0x6000 | (tos << 4));
  }
  if (family === 6) view.setUint16(4, whole.length - 40);
}

/**
 * IP and UDP header of a probe without key. The session is found as for data, by the mobile node's side of the packet: the first address
 * of its first prefix.
 */
function innerHeaders(prefix: string, role: number): { family: 4 | 6; bytes: Uint8Array } {
  const { family, bytes: node } = parsePrefix(prefix);
  const far = probeAddress(family);
  const addresses = role === L.ROLE_MAG ? [...node, ...far] : [...far, ...node];
  const length = 8 + L.PROBE_LENGTH;
  const ports = [L.PROBE_PORT >> 8, L.PROBE_PORT & 255];
  const udp = [...ports, ...ports, 0, length, 0, 0];
  if (family === 6) {
    return {
      family,
      bytes: Uint8Array.from([0x60, 0, 0, 0, 0, length, PROTOCOL_UDP, HOP_LIMIT, ...addresses, ...udp]),
    };
  }
  const header = [0x45, 0, 0, 20 + length, 0, 0, 0x40, 0, HOP_LIMIT, PROTOCOL_UDP, 0, 0, ...addresses];
  const bytes = Uint8Array.from([...header, ...udp]);
  new DataView(bytes.buffer).setUint16(10, internetChecksum([bytes.subarray(0, 20)]));
  return { family, bytes };
}

function probeAddress(family: 4 | 6): Uint8Array {
  const bytes = new Uint8Array(family === 4 ? 4 : 16);
  const view = new DataView(bytes.buffer);
  if (family === 4) {
    view.setUint32(0, L.PROBE_ADDRESS4);
  } else {
    view.setUint16(0, L.PROBE_ADDRESS6_HIGH);
    view.setUint16(14, L.PROBE_ADDRESS6_LOW);
  }
  return bytes;
}

/** The UDP checksum of the inner packet (RFC 768, RFC 8200 §8.1). */
function completeUdp(inner: Uint8Array, family: 4 | 6): void {
  const [addresses, header] = family === 4 ? [12, 20] : [8, 40];
  const udp = inner.subarray(header);
  const view = new DataView(udp.buffer, udp.byteOffset);
  view.setUint16(6, 0);
  const sum = internetChecksum([inner.subarray(addresses)], PROTOCOL_UDP + udp.length);
  view.setUint16(6, sum || 0xffff);
}

/** Octets of the outer packet that a receiving endpoint of `mode` does not count. */
export function uncountedOctets(mode: number): number {
  switch (mode) {
    case L.MODE_RAW6:
      return 40;
    case L.MODE_UDP4:
      return 28;
    case L.MODE_UDP6:
      return 48;
    default:
      return 0;
  }
}
