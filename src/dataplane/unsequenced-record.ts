/**
 * A second record of a path, for packets that bypass the resequencer: the same tunnel, key, socket and counters, but a GRE header
 * without sequence number (RFC 2890 §2.2: packets without one may go between those with one).
 */
import * as L from '../../assembly/layout.ts';
import type { DataplaneMemory } from './memory.ts';
import { buildPathTemplate } from './path-template.ts';
import type { PathSpec } from './session-spec.ts';

/** Writes the record at `address` after the one at `record`, whose model it shares. */
export function writeUnsequencedRecord(
  memory: DataplaneMemory,
  address: number,
  record: number,
  path: PathSpec,
  sendKey: number | null,
): void {
  const template = buildPathTemplate({ ...path, gre: { ...path.gre, sequence: false } }, sendKey);
  memory.bytes.copyWithin(address, record, record + L.PATH_STRIDE);
  memory.bytes.fill(0, address + L.PATH_TEMPLATE_END - L.TEMPLATE_MAX, address + L.PATH_TEMPLATE_END);
  memory.bytes.set(template.bytes, address + L.PATH_TEMPLATE_END - template.bytes.length);
  const set = (field: number, value: number): void => {
    memory.u32[(address + field) / 4] = value;
  };
  set(L.PATH_FLAGS, memory.u32[(record + L.PATH_FLAGS) / 4]! & ~L.PATH_FLAG_SEQUENCE);
  set(L.PATH_HEADER_LENGTH, template.bytes.length);
  set(L.PATH_INNER_MTU, path.mtu - template.bytes.length);
  set(L.PATH_UDP_OFFSET, template.udpOffset);
  set(L.PATH_TLV_OFFSET, template.tlvOffset);
  set(L.PATH_GRE_OFFSET, template.greOffset);
  set(L.PATH_SEQUENCE_OFFSET, template.sequenceOffset);
  set(L.PATH_PROTOCOL_OFFSET, template.protocolOffset);
}
