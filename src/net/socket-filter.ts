/**
 * Classic BPF for sockets (bpf(4), Documentation/networking/filter.rst): with N workers each has a raw socket of its own for
 * the same protocol, and the kernel offers every packet to all of them; the filter lets each packet through to one.
 */
import { addressOfBytes, setOption } from './libc.ts';

const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;

// linux/bpf_common.h
const LD_W_ABS = 0x20;
const LDX_MEM = 0x61;
const ST = 0x02;
const ADD_X = 0x0c;
const MUL_K = 0x24;
const RSH_K = 0x74;
const MOD_K = 0x94;
const JEQ_K = 0x15;
const RET_K = 0x06;
/** Offsets from here on are relative to the network header, wherever the socket's data start. */
const SKF_NET_OFF = -0x100000;
const WHOLE_PACKET = 0x40000;

/** One struct sock_filter. */
export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/**
 * Accepts a packet if the hash of its (source, destination) address pair says `worker`: all packets of a path come to
 * one worker, so a path stays FIFO, and each packet comes to exactly one of `workers`.
 */
export function spreadFilter(family: 4 | 6, worker: number, workers: number): Instruction[] {
  const source = SKF_NET_OFF + (family === 4 ? 12 : 20);
  const destination = SKF_NET_OFF + (family === 4 ? 16 : 36);
  const step = (code: number, k = 0, jt = 0, jf = 0): Instruction => ({ code, jt, jf, k: k >>> 0 });
  return [
    step(LD_W_ABS, source),
    step(MUL_K, 3),
    step(ST, 0),
    step(LDX_MEM, 0),
    step(LD_W_ABS, destination),
    step(ADD_X),
    step(MUL_K, 0x9e3779b1),
    step(RSH_K, 16),
    step(MOD_K, workers),
    step(JEQ_K, worker, 0, 1),
    step(RET_K, WHOLE_PACKET),
    step(RET_K, 0),
  ];
}

/** Attaches a program (socket(7), SO_ATTACH_FILTER). */
export function attachFilter(fd: number, program: readonly Instruction[]): void {
  const code = new Uint8Array(program.length * 8);
  const view = new DataView(code.buffer);
  program.forEach((instruction, i) => {
    view.setUint16(i * 8, instruction.code, true);
    view.setUint8(i * 8 + 2, instruction.jt);
    view.setUint8(i * 8 + 3, instruction.jf);
    view.setUint32(i * 8 + 4, instruction.k, true);
  });
  // struct sock_fprog: u16 length, padding, pointer.
  const fprog = new Uint8Array(16);
  new DataView(fprog.buffer).setUint16(0, program.length, true);
  new DataView(fprog.buffer).setBigUint64(8, BigInt(addressOfBytes(code)), true);
  setOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, fprog, 'SO_ATTACH_FILTER');
}
