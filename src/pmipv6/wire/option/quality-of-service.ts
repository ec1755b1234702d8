/** Quality of Service (RFC 7222 §4.1) with its attributes (§4.2). */
import { hex, type OctetReader } from '../octets.ts';
import { defineOption } from '../option-codec.ts';
import {
  decodeSelectorBody,
  describeSelector,
  encodeSelectorBody,
  type TrafficSelector,
} from './traffic-selector.ts';

/** Attributes whose value is a rate: number to name. */
export const RATE_ATTRIBUTES = {
  1: 'per-mn-aggregate-max-downlink',
  2: 'per-mn-aggregate-max-uplink',
  3: 'per-session-aggregate-max-downlink',
  4: 'per-session-aggregate-max-uplink',
  6: 'aggregate-max-downlink',
  7: 'aggregate-max-uplink',
  8: 'guaranteed-downlink',
  9: 'guaranteed-uplink',
} as const;

export type RateType = keyof typeof RATE_ATTRIBUTES;

export type QosAttribute =
  | {
      readonly attribute: 'rate';
      readonly type: RateType;
      /** S 0x8000 and E 0x4000 of types 3 and 4; 0 elsewhere. */
      readonly flags: number;
      /** 32 bits: at most 4.29 Gbit/s. */
      readonly bitsPerSecond: number;
    }
  | { readonly attribute: 'selector'; readonly selector: TrafficSelector }
  | { readonly attribute: 'other'; readonly type: number; readonly data: Uint8Array };

export interface QualityOfService {
  readonly option: 'quality-of-service';
  /** SR-ID; 0 in a new request of the MAG. */
  readonly request: number;
  /** 6 bits. */
  readonly dscp: number;
  /** 0 response, 1 allocate, 2 de-allocate, 3 modify, 4 query, 5 negotiate. */
  readonly operation: number;
  readonly attributes: readonly QosAttribute[];
}

const SELECTOR = 10;

function isRate(type: number): type is RateType {
  return type in RATE_ATTRIBUTES;
}

function decodeAttribute(type: number, value: OctetReader): QosAttribute {
  if (isRate(type) && value.left === 6) {
    const flags = value.u16() & (type === 3 || type === 4 ? 0xc000 : 0);
    return { attribute: 'rate', type, flags, bitsPerSecond: value.u32() };
  }
  if (type === SELECTOR && value.left >= 2) {
    // Reserved first, then the format: the reverse of RFC 6089.
    value.skip(1);
    return { attribute: 'selector', selector: decodeSelectorBody(value.u8(), value) };
  }
  return { attribute: 'other', type, data: value.octets() };
}

export const qualityOfService = defineOption<QualityOfService>({
  type: 58,
  option: 'quality-of-service',
  alignment: [4, 0],
  decode(value) {
    const request = value.u8();
    const dscp = value.u8() >> 2;
    const operation = value.u8();
    value.skip(3);
    const attributes: QosAttribute[] = [];
    while (value.left) {
      const type = value.u8();
      attributes.push(decodeAttribute(type, value.part(value.u8())));
    }
    return { option: 'quality-of-service', request, dscp, operation, attributes };
  },
  encode({ request, dscp, operation, attributes }, writer) {
    writer.u8(request);
    writer.u8(dscp << 2);
    writer.u8(operation);
    writer.zeros(3);
    for (const attribute of attributes) {
      const start = writer.length;
      writer.zeros(2);
      writer.patch8(start, attribute.attribute === 'selector' ? SELECTOR : attribute.type);
      if (attribute.attribute === 'rate') {
        writer.u16(attribute.flags);
        writer.u32(attribute.bitsPerSecond);
      } else if (attribute.attribute === 'selector') {
        const { selector } = attribute;
        writer.u8(0);
        writer.u8(selector.family === null ? selector.format : selector.family === 4 ? 1 : 2);
        encodeSelectorBody(selector, writer);
      } else {
        writer.octets(attribute.data);
      }
      writer.patch8(start + 1, writer.length - start - 2);
    }
  },
  describe({ request, dscp, operation, attributes }) {
    const parts = attributes.map((attribute) => {
      if (attribute.attribute === 'rate')
        return `${RATE_ATTRIBUTES[attribute.type]} ${attribute.bitsPerSecond} bit/s`;
      if (attribute.attribute === 'selector') return describeSelector(attribute.selector);
      return `attribute ${attribute.type} 0x${hex(attribute.data)}`;
    });
    return [`SR-ID ${request}, DSCP ${dscp}, operation ${operation}`, ...parts].join('; ');
  },
});
