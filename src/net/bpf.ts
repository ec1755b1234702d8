/**
 * Classic BPF (bpf(4), Documentation/networking/filter.rst): instructions, and a small assembler with labels. Programs are
 * written where they are used (socket-filter.ts, signaling-tap.ts).
 */

/** One struct sock_filter. */
export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** linux/bpf_common.h: class, size, mode and source put together. */
export const Op = {
  LOAD_WORD: 0x20,
  LOAD_HALF: 0x28,
  LOAD_BYTE: 0x30,
  /** At X + k. */
  LOAD_HALF_X: 0x48,
  LOAD_BYTE_X: 0x50,
  /** X = 4 * (octet at k & 15): length of an IPv4 header. */
  LOAD_X_HEADER: 0xb1,
  LOAD_X: 0x01,
  LOAD_X_SCRATCH: 0x61,
  STORE: 0x02,
  ADD: 0x04,
  ADD_X: 0x0c,
  MULTIPLY: 0x24,
  AND: 0x54,
  SHIFT_LEFT: 0x64,
  SHIFT_RIGHT: 0x74,
  MODULO: 0x94,
  TO_X: 0x07,
  JUMP: 0x05,
  IF_EQUAL: 0x15,
  IF_GREATER: 0x25,
  IF_GREATER_EQUAL: 0x35,
  IF_SET: 0x45,
  RETURN: 0x06,
  RETURN_A: 0x16,
} as const;

/** Offsets from here on are relative to the network header, wherever the socket's data start. */
export const NETWORK_HEADER = -0x100000;
/** SKF_AD_OFF + SKF_AD_RANDOM: LOAD_WORD gives a random number (Linux 3.16). */
export const RANDOM = -0x1000 + 56;
/** BPF_MAXINSNS. */
export const MOST_INSTRUCTIONS = 4096;

/** A label, or an instruction whose branches go to labels; without them it goes on with the next one. */
export type Line = string | readonly [code: number, k: number, yes?: string, no?: string];

/** Resolves labels. Throws RangeError if a branch is too far (255; JUMP reaches further) or the program too long. */
export function assemble(lines: readonly Line[]): Instruction[] {
  const places = new Map<string, number>();
  let count = 0;
  for (const line of lines) {
    if (typeof line === 'string') places.set(line, count);
    else count++;
  }
  if (count > MOST_INSTRUCTIONS) throw new RangeError(`BPF program of ${count} instructions`);
  const program: Instruction[] = [];
  const distance = (label: string | undefined): number => {
    if (label === undefined) return 0;
    const place = places.get(label);
    if (place === undefined) throw new RangeError(`no label ${label}`);
    return place - program.length - 1;
  };
  for (const line of lines) {
    if (typeof line === 'string') continue;
    const [code, k, yes, no] = line;
    if (code === Op.JUMP) {
      program.push({ code, jt: 0, jf: 0, k: distance(yes) });
      continue;
    }
    const [jt, jf] = [distance(yes), distance(no)];
    if (jt < 0 || jf < 0 || jt > 255 || jf > 255) throw new RangeError(`branch of ${Math.max(jt, jf)}`);
    program.push({ code, jt, jf, k: k >>> 0 });
  }
  return program;
}

/** struct sock_filter[]: 8 octets each. */
export function encodeProgram(program: readonly Instruction[]): Uint8Array {
  const code = new Uint8Array(program.length * 8);
  const view = new DataView(code.buffer);
  program.forEach((instruction, i) => {
    view.setUint16(i * 8, instruction.code, true);
    view.setUint8(i * 8 + 2, instruction.jt);
    view.setUint8(i * 8 + 3, instruction.jf);
    view.setUint32(i * 8 + 4, instruction.k, true);
  });
  return code;
}
