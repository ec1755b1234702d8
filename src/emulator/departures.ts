/** What is on its way over one direction of a link: frames by time of arrival, a binary heap; equal times keep their order. */

export class Departures {
  private times: Float64Array;
  private orders: Float64Array;
  private slots: Int32Array;
  private lengths: Int32Array;
  private count = 0;
  private order = 0;

  constructor(capacity = 1024) {
    this.times = new Float64Array(capacity);
    this.orders = new Float64Array(capacity);
    this.slots = new Int32Array(capacity);
    this.lengths = new Int32Array(capacity);
  }

  /** Microseconds of the first arrival, Infinity if nothing is on its way. */
  get next(): number {
    return this.count ? this.times[0]! : Infinity;
  }

  get size(): number {
    return this.count;
  }

  /** Slot and length of the first frame. */
  get slot(): number {
    return this.slots[0]!;
  }

  get length(): number {
    return this.lengths[0]!;
  }

  push(time: number, slot: number, length: number): void {
    if (this.count === this.times.length) this.grow();
    let at = this.count++;
    const order = this.order++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.before(time, order, parent)) break;
      this.move(parent, at);
      at = parent;
    }
    this.set(at, time, order, slot, length);
  }

  /** Takes the first frame away. */
  pop(): void {
    const last = --this.count;
    if (!last) return;
    const time = this.times[last]!;
    const order = this.orders[last]!;
    const slot = this.slots[last]!;
    const length = this.lengths[last]!;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= last) break;
      if (child + 1 < last && this.before(this.times[child + 1]!, this.orders[child + 1]!, child)) child++;
      if (this.before(time, order, child)) break;
      this.move(child, at);
      at = child;
    }
    this.set(at, time, order, slot, length);
  }

  private before(time: number, order: number, other: number): boolean {
    return time < this.times[other]! || (time === this.times[other]! && order < this.orders[other]!);
  }

  private set(at: number, time: number, order: number, slot: number, length: number): void {
    this.times[at] = time;
    this.orders[at] = order;
    this.slots[at] = slot;
    this.lengths[at] = length;
  }

  private move(from: number, to: number): void {
    this.set(to, this.times[from]!, this.orders[from]!, this.slots[from]!, this.lengths[from]!);
  }

  private grow(): void {
    const double = <T extends Float64Array | Int32Array>(old: T, fresh: T): T => {
      fresh.set(old);
      return fresh;
    };
    const capacity = this.times.length * 2;
    this.times = double(this.times, new Float64Array(capacity));
    this.orders = double(this.orders, new Float64Array(capacity));
    this.slots = double(this.slots, new Int32Array(capacity));
    this.lengths = double(this.lengths, new Int32Array(capacity));
  }
}
