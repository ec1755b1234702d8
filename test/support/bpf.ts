/** Classic BPF as Documentation/networking/filter.rst describes it, for tests of the programs that we give to the kernel. */
import { type Instruction, NETWORK_HEADER, Op, RANDOM } from '../../src/net/bpf.ts';

/**
 * What the program returns for a packet whose data start at its network header; 0 as well when it reads past the end. `random` is
 * what it gets for a random number.
 */
export function runBpf(program: readonly Instruction[], packet: Uint8Array, random = 2 ** 32 - 1): number {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const scratch = new Uint32Array(16);
  let a = 0;
  let x = 0;
  const at = (k: number): number => {
    const offset = k | 0;
    return offset < 0 ? offset - NETWORK_HEADER : offset;
  };
  try {
    for (let pc = 0; pc < program.length; pc++) {
      const { code, jt, jf, k } = program[pc]!;
      const branch = (yes: boolean): void => {
        pc += yes ? jt : jf;
      };
      switch (code) {
        case Op.LOAD_WORD:
          a = (k | 0) === RANDOM ? random : view.getUint32(at(k));
          break;
        case Op.LOAD_HALF:
          a = view.getUint16(at(k));
          break;
        case Op.LOAD_BYTE:
          a = view.getUint8(at(k));
          break;
        case Op.LOAD_HALF_X:
          a = view.getUint16(at(k) + x);
          break;
        case Op.LOAD_BYTE_X:
          a = view.getUint8(at(k) + x);
          break;
        case Op.LOAD_X_HEADER:
          x = 4 * (view.getUint8(at(k)) & 15);
          break;
        case Op.LOAD_X:
          x = k;
          break;
        case Op.LOAD_X_SCRATCH:
          x = scratch[k]!;
          break;
        case Op.STORE:
          scratch[k] = a;
          break;
        case Op.ADD:
          a = (a + k) >>> 0;
          break;
        case Op.ADD_X:
          a = (a + x) >>> 0;
          break;
        case Op.MULTIPLY:
          a = Math.imul(a, k) >>> 0;
          break;
        case Op.AND:
          a = (a & k) >>> 0;
          break;
        case Op.SHIFT_LEFT:
          a = (a << k) >>> 0;
          break;
        case Op.SHIFT_RIGHT:
          a >>>= k;
          break;
        case Op.MODULO:
          a %= k;
          break;
        case Op.TO_X:
          x = a;
          break;
        case Op.JUMP:
          pc += k;
          break;
        case Op.IF_EQUAL:
          branch(a === k);
          break;
        case Op.IF_GREATER:
          branch(a > k);
          break;
        case Op.IF_GREATER_EQUAL:
          branch(a >= k);
          break;
        case Op.IF_SET:
          branch((a & k) !== 0);
          break;
        case Op.RETURN:
          return k;
        case Op.RETURN_A:
          return a;
        default:
          throw new Error(`no instruction ${code}`);
      }
    }
  } catch (error) {
    if (error instanceof RangeError) return 0;
    throw error;
  }
  throw new Error('fell off the end');
}
