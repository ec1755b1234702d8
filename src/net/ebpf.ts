/**
 * eBPF (bpf(2), linux/bpf.h, Documentation/bpf/standardization/instruction-set.rst): an assembler with labels for straight programs, maps,
 * programs for XDP, and the link that keeps one attached: the kernel detaches it when its descriptor is closed, also by a crash.
 */
import { addressOfBytes, bpf } from './libc.ts';

/** Operation codes of the 64-bit class where nothing else is said: class, size or source, and operation put together. */
export const Code = {
  LOAD_BYTE: 0x71,
  LOAD_HALF: 0x69,
  LOAD_WORD: 0x61,
  STORE_WORD: 0x63,
  MOVE: 0xbf,
  SET: 0xb7,
  ADD: 0x07,
  /** 32 bits. */
  AND: 0x54,
  JUMP_GREATER: 0x2d,
  JUMP_EQUAL: 0x15,
  JUMP_DIFFERENT: 0x55,
  /** 32 bits. */
  JUMP_DIFFERENT_WORD: 0x56,
  CALL: 0x85,
  EXIT: 0x95,
  /** Two instructions long: a map by its descriptor. */
  LOAD_MAP: 0x18,
} as const;

export const Helper = { LOOK_UP: 1, REDIRECT_MAP: 51, ADJUST_META: 54 } as const;

/** Registers: `to` and `from`; a jump goes to the label `target`, other instructions may have an `offset` and a number `value`. */
export interface EbpfInstruction {
  readonly code: number;
  readonly to?: number;
  readonly from?: number;
  readonly offset?: number;
  readonly value?: number;
  readonly target?: string;
}

/** A label or an instruction. */
export type EbpfLine = string | EbpfInstruction;

const PSEUDO_MAP_FD = 1;

/** struct bpf_insn[]. Throws RangeError if a label is missing. */
export function assembleEbpf(lines: readonly EbpfLine[]): Uint8Array {
  const places = new Map<string, number>();
  let count = 0;
  for (const line of lines) {
    if (typeof line === 'string') places.set(line, count);
    else count += line.code === Code.LOAD_MAP ? 2 : 1;
  }
  const code = new Uint8Array(count * 8);
  const view = new DataView(code.buffer);
  let place = 0;
  for (const line of lines) {
    if (typeof line === 'string') continue;
    const { to = 0, from = 0, offset = 0, value = 0, target } = line;
    const destination = target === undefined ? undefined : places.get(target);
    if (target !== undefined && destination === undefined) throw new RangeError(`no label ${target}`);
    view.setUint8(place * 8, line.code);
    view.setUint8(place * 8 + 1, to | ((line.code === Code.LOAD_MAP ? PSEUDO_MAP_FD : from) << 4));
    view.setInt16(place * 8 + 2, destination === undefined ? offset : destination - place - 1, true);
    view.setInt32(place * 8 + 4, value | 0, true);
    place += line.code === Code.LOAD_MAP ? 2 : 1;
  }
  return code;
}

const Command = {
  MAP_CREATE: 0,
  MAP_UPDATE: 2,
  MAP_DELETE: 3,
  PROGRAM_LOAD: 5,
  TEST_RUN: 10,
  LINK_CREATE: 28,
} as const;
export const MapType = { HASH: 1, SOCKETS: 17 } as const;
const PROGRAM_TYPE_XDP = 6;
const ATTACH_XDP = 37;

/** How a program is attached: in front of the kernel's stack for every device, or in the driver if it can. */
export const AttachMode = { generic: 2, native: 4 } as const;

/** union bpf_attr of a command: 32-bit and 64-bit fields by offset. */
function attribute(
  size: number,
  words: Readonly<Record<number, number>>,
  longs: Readonly<Record<number, number>> = {},
): Uint8Array {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  for (const [at, value] of Object.entries(words)) view.setUint32(Number(at), value, true);
  for (const [at, value] of Object.entries(longs)) view.setBigUint64(Number(at), BigInt(value), true);
  return bytes;
}

/** BPF_MAP_CREATE; the descriptor. Throws SystemCallError (EPERM ...). */
export function createMap(type: number, keySize: number, valueSize: number, entries: number): number {
  const request = attribute(72, { 0: type, 4: keySize, 8: valueSize, 12: entries });
  return bpf(Command.MAP_CREATE, request, 'map');
}

/** BPF_MAP_UPDATE_ELEM. Throws SystemCallError (E2BIG: the map is full). */
export function setMapEntry(map: number, key: Uint8Array, value: Uint8Array): void {
  const request = attribute(32, { 0: map }, { 8: addressOfBytes(key), 16: addressOfBytes(value) });
  bpf(Command.MAP_UPDATE, request, 'map entry');
}

/** BPF_MAP_DELETE_ELEM. Throws SystemCallError (ENOENT). */
export function deleteMapEntry(map: number, key: Uint8Array): void {
  bpf(Command.MAP_DELETE, attribute(32, { 0: map }, { 8: addressOfBytes(key) }), 'map entry');
}

/** BPF_PROG_LOAD of a program for XDP; the descriptor. Throws SystemCallError (EPERM; EACCES, EINVAL: the verifier refuses it). */
export function loadXdpProgram(code: Uint8Array): number {
  const license = new TextEncoder().encode('Apache-2.0\0');
  const request = attribute(
    72,
    { 0: PROGRAM_TYPE_XDP, 4: code.length / 8 },
    { 8: addressOfBytes(code), 16: addressOfBytes(license) },
  );
  return bpf(Command.PROGRAM_LOAD, request, 'XDP program');
}

/** BPF_LINK_CREATE (Linux 5.9); the descriptor. Throws SystemCallError (EBUSY: another program; EOPNOTSUPP: not in this driver). */
export function attachXdp(program: number, interfaceIndex: number, mode: keyof typeof AttachMode): number {
  const request = attribute(48, { 0: program, 4: interfaceIndex, 8: ATTACH_XDP, 12: AttachMode[mode] });
  return bpf(Command.LINK_CREATE, request, `XDP on interface ${interfaceIndex}`);
}

/** BPF_PROG_TEST_RUN: what the program says to a frame (XDP_PASS is 2, XDP_REDIRECT 4). Throws SystemCallError. */
export function testXdpProgram(program: number, frame: Uint8Array): number {
  const request = attribute(80, { 0: program, 8: frame.length }, { 16: addressOfBytes(frame) });
  bpf(Command.TEST_RUN, request, 'test run');
  return new DataView(request.buffer).getUint32(4, true);
}
