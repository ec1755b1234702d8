/** Timers of a state machine: a binary heap whose entries may be stale, because most deadlines are moved before they come. */

/** So many entries that do not count are never too many. */
const SPARE = 64;

interface Entry<T> {
  readonly at: number;
  readonly item: T;
}

/**
 * `deadlineOf` gives an item's present deadline (elapsed milliseconds, null: none). Moving a deadline to a later time needs
 * no call here: an entry that comes too early is put back. Moving it to an earlier time needs `watch`. An item has one entry
 * that counts; one that an earlier one took the place of is thrown away when its time comes, or when such entries are most of the heap.
 */
export class Deadlines<T> {
  private readonly heap: Entry<T>[] = [];
  private readonly scheduled = new Map<T, number>();
  private readonly deadlineOf: (item: T) => number | null;

  constructor(deadlineOf: (item: T) => number | null) {
    this.deadlineOf = deadlineOf;
  }

  /** Items with an entry; for tests. */
  get size(): number {
    return this.scheduled.size;
  }

  /** Makes sure that the item is looked at when its present deadline comes. */
  watch(item: T): void {
    const at = this.deadlineOf(item);
    if (at === null || at >= (this.scheduled.get(item) ?? Infinity)) return;
    this.scheduled.set(item, at);
    this.push({ at, item });
  }

  /** Forgets an item that will never be due again. */
  forget(item: T): void {
    this.scheduled.delete(item);
    this.dropObsolete();
    if (this.heap.length > 2 * this.scheduled.size + SPARE) this.rebuild();
  }

  /** The earliest time at which something may be due; null if nothing is watched. */
  next(): number | null {
    this.dropObsolete();
    return this.heap[0]?.at ?? null;
  }

  /** Takes one item that is due at `now`; undefined if there is none. Its later deadlines need `watch`. */
  take(now: number): T | undefined {
    for (let top = this.heap[0]; top && top.at <= now; top = this.heap[0]) {
      this.pop();
      if (this.scheduled.get(top.item) !== top.at) continue;
      this.scheduled.delete(top.item);
      const at = this.deadlineOf(top.item);
      if (at === null) continue;
      if (at <= now) return top.item;
      this.scheduled.set(top.item, at);
      this.push({ at, item: top.item });
    }
    return undefined;
  }

  private dropObsolete(): void {
    for (let top = this.heap[0]; top && this.scheduled.get(top.item) !== top.at; top = this.heap[0])
      this.pop();
  }

  /** With the entries that count alone, so that what was forgotten long before it was due is not held until then. */
  private rebuild(): void {
    this.heap.length = 0;
    for (const [item, at] of this.scheduled) this.push({ at, item });
  }

  private push(entry: Entry<T>): void {
    const { heap } = this;
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent]!.at <= entry.at) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = entry;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = i * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++;
      if (heap[child]!.at >= last.at) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}
