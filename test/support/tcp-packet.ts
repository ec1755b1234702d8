/** TCP and UDP packets with any header fields, checksums right. */
import { finish } from '../reference/segmentation.ts';

export interface PacketFields {
  readonly family: 4 | 6;
  readonly protocol: 'tcp' | 'udp';
  /** Last octet of the source port: tells flows apart. */
  readonly flow: number;
  readonly sequence?: number;
  readonly flags?: number;
  readonly window?: number;
  readonly acknowledgement?: number;
  /** A multiple of 4 octets. */
  readonly options?: readonly number[];
  readonly tos?: number;
  readonly hopLimit?: number;
  readonly identification?: number;
  readonly dontFragment?: boolean;
  /** IPv6: octets of a hop-by-hop header (its next-header octet is set here). */
  readonly hopByHop?: readonly number[];
  readonly payload: Uint8Array;
}

/** Uplink: from the mobile node of test/support/session.ts. */
export function buildPacket(fields: PacketFields): Uint8Array {
  const { family, protocol, payload } = fields;
  const number = protocol === 'tcp' ? 6 : 17;
  const extension = fields.hopByHop ? [number, ...fields.hopByHop.slice(1)] : [];
  const tos = fields.tos ?? 0;
  const network =
    family === 4
      ? [
          ...[0x45, tos, 0, 0],
          ...[
            (fields.identification ?? 0) >> 8,
            (fields.identification ?? 0) & 255,
            fields.dontFragment === false ? 0 : 0x40,
            0,
          ],
          ...[fields.hopLimit ?? 64, number, 0, 0],
          ...[192, 0, 2, 10, 203, 0, 113, 200],
        ]
      : [
          ...[0x60 | (tos >> 4), (tos & 15) << 4, 0, 0],
          ...[0, 0, extension.length ? 0 : number, fields.hopLimit ?? 64],
          ...[0x20, 1, 0xd, 0xb8, 0xca, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10],
          ...[0x20, 1, 0xd, 0xb8, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
          ...extension,
        ];
  const ports = [0x13, fields.flow, 0x17, 0x70];
  const options = fields.options ?? [];
  const transport =
    protocol === 'udp'
      ? [...ports, 0, 0, 0, 0]
      : [
          ...ports,
          ...u32(fields.sequence ?? 0),
          ...u32(fields.acknowledgement ?? 1),
          ...[(5 + options.length / 4) << 4, fields.flags ?? 0x10],
          ...[(fields.window ?? 500) >> 8, (fields.window ?? 500) & 255, 0, 0, 0, 0],
          ...options,
        ];
  return finish(Uint8Array.from([...network, ...transport, ...payload]));
}

function u32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}
