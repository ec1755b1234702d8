/** What a picture needs to know of one direction beside what the simulation keeps: which packets have come, wait, and have gone on. */
import { tagOf } from '../sim/end.ts';
import type { Simulation } from '../sim/simulation.ts';

/** A packet by its number in the stream, and the link that it took; -1: passed too fast to be seen on it. */
export interface SeenPacket {
  readonly number: number;
  readonly path: number;
}

export interface LanePacket {
  readonly number: number;
  /** 0 to 1; below 0: waits for the transmitter. */
  readonly position: number;
}

/** So many of the last packets are kept. */
const KEPT = 64;
/** Paths are remembered for so many packets. */
const REMEMBERED = 1 << 16;

export class Observer {
  /** The last ones, oldest first: out of the links, and out of the resequencer. */
  readonly arrived: SeenPacket[] = [];
  readonly delivered: SeenPacket[] = [];
  /** Out of the links and not delivered, by number. */
  held: SeenPacket[] = [];
  /** The lowest number that the far end waits for. */
  get next(): number {
    return this.#highest + 1;
  }
  readonly #simulation: Simulation;
  readonly #paths = new Int8Array(REMEMBERED).fill(-1);
  readonly #waiting = new Set<number>();
  #arrivedCount = 0;
  #deliveredCount = 0;
  #highest = -1;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  /** The packets of the first flow on each link. */
  lanes(): LanePacket[][] {
    const { store, loop, sides } = this.#simulation;
    return sides.downlink.links.map((link, path) =>
      link.underway(loop.now).flatMap(({ position, words }) => {
        const at = store.find(tagOf(words, 0));
        if (store.streams[at] !== 0) return [];
        const number = store.numbers[at]!;
        this.#paths[number & (REMEMBERED - 1)] = path;
        return [{ number, position }];
      }),
    );
  }

  /** To be called after lanes(): takes in what has happened since the last time. */
  follow(): void {
    const { before, after } = this.#simulation.flows[0]!.forward;
    for (; this.#arrivedCount < before.count; this.#arrivedCount++) {
      const number = before.numberAt(this.#arrivedCount);
      this.#waiting.add(number);
      push(this.arrived, this.#seen(number));
    }
    for (; this.#deliveredCount < after.count; this.#deliveredCount++) {
      const number = after.numberAt(this.#deliveredCount);
      this.#waiting.delete(number);
      this.#highest = Math.max(this.#highest, number);
      push(this.delivered, this.#seen(number));
    }
    // What the resequencer dropped, for want of room, is not delivered any more.
    for (const number of this.#waiting) if (number < this.#highest) this.#waiting.delete(number);
    this.held = [...this.#waiting].sort((a, b) => a - b).map((number) => this.#seen(number));
  }

  #seen(number: number): SeenPacket {
    return { number, path: this.#paths[number & (REMEMBERED - 1)]! };
  }
}

function push(list: SeenPacket[], packet: SeenPacket): void {
  list.push(packet);
  if (list.length > KEPT) list.shift();
}
