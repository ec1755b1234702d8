/** Flow Identification (RFC 6089 §4.2), type 45, with its sub-options. */
import { BadValue, hex, type OctetReader, OctetWriter } from '../octets.ts';
import { defineOption } from '../option-codec.ts';
import {
  decodeTrafficSelector,
  describeSelector,
  encodeTrafficSelector,
  selectorAlignment,
  type TrafficSelector,
} from './traffic-selector.ts';

export interface FlowIdentification {
  readonly option: 'flow-identification';
  /** FID; 0 is forbidden. */
  readonly flow: number;
  /** FID-PRI; 0 is forbidden, lower goes first. */
  readonly priority: number;
  /** Only in a PBA: 0 accepted, 128 and above rejected (§4.2). */
  readonly status: number;
  /** Binding Reference: 16-bit BIDs; several mean a copy to each (§4.2.1.3). */
  readonly bids: readonly number[] | null;
  readonly selector: TrafficSelector | null;
  /** Flow Binding Action (RFC 7109), Target Care-of Address and unknown sub-options. */
  readonly others: readonly { readonly type: number; readonly data: Uint8Array }[];
}

const PAD1 = 0;
const PADN = 1;
const BINDING_REFERENCE = 2;
const TRAFFIC_SELECTOR = 3;

function bidsOf(value: OctetReader): number[] {
  if (value.left === 0) throw new BadValue('Binding Reference without a BID');
  const bids: number[] = [];
  while (value.left) bids.push(value.u16());
  return bids;
}

/** Pads so that the sub-option stands at a multiple of `multiple` from the start of the message. */
function align(writer: OctetWriter, multiple: number): void {
  const padding = (multiple - (writer.length % multiple)) % multiple;
  if (padding === 1) writer.u8(PAD1);
  else if (padding) {
    writer.u8(PADN);
    writer.u8(padding - 2);
    writer.zeros(padding - 2);
  }
}

export const flowIdentification = defineOption<FlowIdentification>({
  type: 45,
  option: 'flow-identification',
  alignment: [2, 0],
  decode(value) {
    const flow = value.u16();
    const priority = value.u16();
    value.skip(1);
    const status = value.u8();
    let bids: number[] | null = null;
    let selector: TrafficSelector | null = null;
    const others: { type: number; data: Uint8Array }[] = [];
    while (value.left) {
      const type = value.u8();
      if (type === PAD1) continue;
      const part = value.part(value.u8());
      if (type === PADN) continue;
      if (type === BINDING_REFERENCE) {
        if (bids) throw new BadValue('two Binding References');
        bids = bidsOf(part);
      } else if (type === TRAFFIC_SELECTOR) {
        if (selector) throw new BadValue('two Traffic Selectors');
        selector = decodeTrafficSelector(part);
      } else {
        others.push({ type, data: part.octets() });
      }
    }
    return { option: 'flow-identification', flow, priority, status, bids, selector, others };
  },
  encode({ flow, priority, status, bids, selector, others }, writer) {
    writer.u16(flow);
    writer.u16(priority);
    writer.u8(0);
    writer.u8(status);
    if (bids) {
      align(writer, 2);
      writer.u8(BINDING_REFERENCE);
      writer.u8(bids.length * 2);
      for (const bid of bids) writer.u16(bid);
    }
    if (selector) {
      align(writer, selectorAlignment(selector));
      const start = writer.length;
      writer.u8(TRAFFIC_SELECTOR);
      writer.u8(0);
      encodeTrafficSelector(selector, writer);
      writer.patch8(start + 1, writer.length - start - 2);
    }
    for (const { type, data } of others) {
      writer.u8(type);
      writer.u8(data.length);
      writer.octets(data);
    }
  },
  describe({ flow, priority, status, bids, selector, others }) {
    const parts = [`FID ${flow}, FID-PRI ${priority}, status ${status}`];
    if (bids) parts.push(`BIDs ${bids.join(', ')}`);
    if (selector) parts.push(describeSelector(selector));
    return [...parts, ...others.map(({ type, data }) => `sub-option ${type} 0x${hex(data)}`)].join('; ');
  },
});
