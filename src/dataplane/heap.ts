/**
 * Allocates blocks of the shared memory for the control thread: rings, tables, schedules. Power-of-two size classes
 * with free lists; a larger block that is free is split before memory is said to be full, and nothing is ever given back to the
 * system. Only the control thread calls this, so it needs no lock.
 */
import { TunloomError } from '../errors.ts';

const SMALLEST = 64;

export class Heap {
  #next: number;
  readonly #end: number;
  readonly #bytes: Uint8Array;
  readonly #free = new Map<number, number[]>();

  /** Manages the octets `start` .. `end` - 1 of `bytes`, a view of the whole memory from address 0. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    // Addresses have 32 bits without sign, which the operators & and ~ do not.
    this.#next = Math.ceil(start / SMALLEST) * SMALLEST;
    this.#end = end;
  }

  /** Address of a zeroed block of at least `size` octets, aligned to 64. Throws OUT_OF_MEMORY. */
  allocate(size: number): number {
    const rounded = sizeClass(size);
    const reused = this.#free.get(rounded)?.pop();
    if (reused !== undefined) {
      this.#bytes.fill(0, reused, reused + rounded);
      return reused;
    }
    if (this.#next + rounded > this.#end) {
      const part = this.#split(rounded);
      if (part !== null) {
        this.#bytes.fill(0, part, part + rounded);
        return part;
      }
      throw new TunloomError(
        'OUT_OF_MEMORY',
        `the shared memory is full (${size} octets wanted, ${this.#end - this.#next} left); raise memory.heap`,
      );
    }
    const address = this.#next;
    this.#next += rounded;
    return address;
  }

  /** Takes back a block got from allocate() with the same size. */
  release(address: number, size: number): void {
    this.#putBack(address, sizeClass(size));
  }

  /** A block of `size` octets out of the smallest larger one that is free; null: there is none. */
  #split(size: number): number | null {
    const larger = [...this.#free].filter(([whole, blocks]) => whole > size && blocks.length);
    if (!larger.length) return null;
    const whole = Math.min(...larger.map(([octets]) => octets));
    const address = this.#free.get(whole)!.pop()!;
    for (let half = whole / 2; half >= size; half /= 2) this.#putBack(address + half, half);
    return address;
  }

  #putBack(address: number, size: number): void {
    const list = this.#free.get(size);
    if (list) list.push(address);
    else this.#free.set(size, [address]);
  }
}

function sizeClass(size: number): number {
  let rounded = SMALLEST;
  while (rounded < size) rounded *= 2;
  return rounded;
}
