/**
 * Classic BPF for sockets (bpf(4), Documentation/networking/filter.rst): with N workers each has a raw socket of its own for
 * the same protocol, and the kernel offers every packet to all of them; the filter lets each packet through to one.
 */
import { type Instruction, NETWORK_HEADER, Op, assemble, encodeProgram } from './bpf.ts';
import { addressOfBytes, setOption } from './libc.ts';

const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;

const WHOLE_PACKET = 0x40000;

/**
 * Accepts a packet if the hash of its (source, destination) address pair says `worker`: all packets of a path come to
 * one worker, so a path stays FIFO, and each packet comes to exactly one of `workers`.
 */
export function spreadFilter(family: 4 | 6, worker: number, workers: number): Instruction[] {
  const source = NETWORK_HEADER + (family === 4 ? 12 : 20);
  const destination = NETWORK_HEADER + (family === 4 ? 16 : 36);
  return assemble([
    [Op.LOAD_WORD, source],
    [Op.MULTIPLY, 3],
    [Op.STORE, 0],
    [Op.LOAD_X_SCRATCH, 0],
    [Op.LOAD_WORD, destination],
    [Op.ADD_X, 0],
    [Op.MULTIPLY, 0x9e3779b1],
    [Op.SHIFT_RIGHT, 16],
    [Op.MODULO, workers],
    [Op.IF_EQUAL, worker, 'take', 'drop'],
    'take',
    [Op.RETURN, WHOLE_PACKET],
    'drop',
    [Op.RETURN, 0],
  ]);
}

/** Attaches a program (socket(7), SO_ATTACH_FILTER). */
export function attachFilter(fd: number, program: readonly Instruction[]): void {
  const code = encodeProgram(program);
  // struct sock_fprog: u16 length, padding, pointer.
  const fprog = new Uint8Array(16);
  new DataView(fprog.buffer).setUint16(0, program.length, true);
  new DataView(fprog.buffer).setBigUint64(8, BigInt(addressOfBytes(code)), true);
  setOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, fprog, 'SO_ATTACH_FILTER');
}
