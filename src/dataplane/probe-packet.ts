/**
 * The outer packet of a probe: the path's own header with a GRE header of the session's key, no sequence number, no checksum, and the
 * protocol type of probes (docs/probes.md). Raw sockets and UDP sockets of the control thread send it (endpoints.ts).
 */
import * as L from '../../assembly/layout.ts';
import { encodeSockaddr, parseAddress } from '../ip.ts';
import { buildPathTemplate } from './path-template.ts';
import type { PathSpec } from './session-spec.ts';

export interface ProbePacket {
  /** What the socket is given; the probe itself is its last PROBE_LENGTH octets. */
  readonly bytes: Uint8Array;
  readonly message: Uint8Array;
  readonly sockaddr: Uint8Array;
  readonly sockaddrLength: number;
}

/** Whether probes can go over a path: its packets have to carry a GRE key. */
export function canProbe(path: PathSpec): boolean {
  return path.encapsulation.includes('gre') && path.gre.key;
}

/** A packet whose message is still to be filled in, for an endpoint of `mode` (MODE_*). */
export function buildProbePacket(path: PathSpec, sendKey: number | null, mode: number): ProbePacket {
  const template = buildPathTemplate(
    { ...path, gre: { key: true, sequence: false, checksum: false } },
    sendKey,
  );
  const byUdp = mode === L.MODE_UDP4 || mode === L.MODE_UDP6;
  const whole = new Uint8Array(template.bytes.length + L.PROBE_LENGTH);
  whole.set(template.bytes);
  const view = new DataView(whole.buffer);
  view.setUint16(template.greOffset + 2, L.PROBE_TYPE);
  if (template.tlvOffset) view.setUint16(template.tlvOffset + 2, whole.length - template.tlvOffset - 4);
  if (path.dscp !== 'copy') {
    const tos = path.dscp << 2;
    if (template.family === 4) whole[1] = tos;
    else view.setUint16(0, 0x6000 | (tos << 4));
  }
  // raw(7) fills in total length, identification and checksum of IPv4; of IPv6 nothing.
  if (template.family === 6) view.setUint16(4, whole.length - 40);
  const bytes = byUdp ? whole.subarray(template.udpOffset + 8) : whole;
  const sockaddr = encodeSockaddr(parseAddress(path.remote), byUdp ? path.remotePort : 0);
  return {
    bytes,
    message: whole.subarray(template.bytes.length),
    sockaddr: sockaddr.bytes,
    sockaddrLength: sockaddr.length,
  };
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
