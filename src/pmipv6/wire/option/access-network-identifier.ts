/** Access Network Identifier (RFC 6757 §3, RFC 7563). */
import { BadValue, hex, type OctetReader, textOrHex } from '../octets.ts';
import { defineOption } from '../option-codec.ts';

export type AccessNetworkPart =
  | {
      readonly part: 'network';
      /** E: the names are UTF-8. */
      readonly utf8: boolean;
      readonly name: Uint8Array;
      readonly accessPoint: Uint8Array;
    }
  | {
      readonly part: 'location';
      /** Two's complement, 24 bits, 15 of them behind the binary point; degrees * 2^15. */
      readonly latitude: number;
      readonly longitude: number;
    }
  | {
      readonly part: 'operator';
      /** 1: enterprise number, 2: realm. */ readonly type: number;
      readonly id: Uint8Array;
    }
  | { readonly part: 'other'; readonly type: number; readonly data: Uint8Array };

export interface AccessNetworkIdentifier {
  readonly option: 'access-network-identifier';
  readonly parts: readonly AccessNetworkPart[];
}

function signed24(value: OctetReader): number {
  return ((value.u8() << 24) | (value.u8() << 16) | (value.u8() << 8)) >> 8;
}

function decodePart(type: number, value: OctetReader): AccessNetworkPart {
  switch (type) {
    case 1: {
      const utf8 = (value.u8() & 0x80) !== 0;
      const name = value.octets(value.u8());
      const accessPoint = value.octets(value.u8());
      if (value.left) throw new BadValue('octets after the access point name');
      return { part: 'network', utf8, name, accessPoint };
    }
    case 2:
      if (value.left !== 6) throw new BadValue(`location of ${value.left} octets`);
      return { part: 'location', latitude: signed24(value), longitude: signed24(value) };
    case 3:
      return { part: 'operator', type: value.u8(), id: value.octets() };
    default:
      return { part: 'other', type, data: value.octets() };
  }
}

export const accessNetworkIdentifier = defineOption<AccessNetworkIdentifier>({
  type: 52,
  option: 'access-network-identifier',
  alignment: [4, 0],
  decode(value) {
    const parts: AccessNetworkPart[] = [];
    while (value.left) {
      const type = value.u8();
      parts.push(decodePart(type, value.part(value.u8())));
    }
    return { option: 'access-network-identifier', parts };
  },
  encode({ parts }, writer) {
    for (const part of parts) {
      const start = writer.length;
      writer.zeros(2);
      switch (part.part) {
        case 'network':
          writer.patch8(start, 1);
          writer.u8(part.utf8 ? 0x80 : 0);
          writer.u8(part.name.length);
          writer.octets(part.name);
          writer.u8(part.accessPoint.length);
          writer.octets(part.accessPoint);
          break;
        case 'location':
          writer.patch8(start, 2);
          for (const angle of [part.latitude, part.longitude]) {
            writer.u8((angle >> 16) & 255);
            writer.u16(angle & 0xffff);
          }
          break;
        case 'operator':
          writer.patch8(start, 3);
          writer.u8(part.type);
          writer.octets(part.id);
          break;
        case 'other':
          writer.patch8(start, part.type);
          writer.octets(part.data);
      }
      writer.patch8(start + 1, writer.length - start - 2);
    }
  },
  describe: ({ parts }) =>
    parts
      .map((part) => {
        if (part.part === 'network')
          return `network ${textOrHex(part.name)}, access point ${textOrHex(part.accessPoint)}`;
        if (part.part === 'location') return `location ${part.latitude / 32768}, ${part.longitude / 32768}`;
        if (part.part === 'operator') return `operator ${textOrHex(part.id)}`;
        return `sub-option ${part.type} 0x${hex(part.data)}`;
      })
      .join('; '),
});
