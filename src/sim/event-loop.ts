/**
 * Virtual time: actors in a binary heap, each with at most one appointment. Time is whole nanoseconds from 0. Appointments of the
 * same instant run in the order in which their actors were registered, so a run is the same to the bit every time.
 */

export interface Actor {
  /** `now` in nanoseconds. */
  run(now: number): void;
}

const NOT_QUEUED = -1;

export class EventLoop {
  now = 0;
  readonly #actors: Actor[] = [];
  /** When each actor is due, and where it is in the heap. */
  readonly #due: number[] = [];
  readonly #place: number[] = [];
  readonly #heap: number[] = [];
  /** Appointments kept. */
  events = 0;

  /** Gives the number by which the actor makes appointments. */
  register(actor: Actor): number {
    this.#actors.push(actor);
    this.#due.push(Infinity);
    this.#place.push(NOT_QUEUED);
    return this.#actors.length - 1;
  }

  /** When the actor is due; Infinity if it is not. */
  due(actor: number): number {
    return this.#due[actor]!;
  }

  /** Makes, moves or (Infinity) cancels the actor's appointment. What lies in the past is due now. */
  at(actor: number, time: number): void {
    const due = time < this.now ? this.now : time;
    const place = this.#place[actor]!;
    if (place === NOT_QUEUED) {
      if (due === Infinity) return;
      this.#due[actor] = due;
      this.#heap.push(actor);
      this.#rise(this.#heap.length - 1);
      return;
    }
    const before = this.#due[actor]!;
    this.#due[actor] = due;
    if (due === Infinity) this.#remove(place);
    else if (due < before) this.#rise(place);
    else this.#sink(place);
  }

  /** Runs until nothing is due up to and including `end`; `now` is then `end` unless that is Infinity. */
  run(end: number): void {
    const heap = this.#heap;
    while (heap.length) {
      const actor = heap[0]!;
      const due = this.#due[actor]!;
      if (due > end) break;
      this.now = due;
      this.#remove(0);
      this.events++;
      this.#actors[actor]!.run(due);
    }
    if (end !== Infinity && end > this.now) this.now = end;
  }

  #isBefore(a: number, b: number): boolean {
    const dueA = this.#due[a]!;
    const dueB = this.#due[b]!;
    return dueA < dueB || (dueA === dueB && a < b);
  }

  #remove(place: number): void {
    const heap = this.#heap;
    const actor = heap[place]!;
    this.#place[actor] = NOT_QUEUED;
    this.#due[actor] = Infinity;
    const last = heap.pop()!;
    if (last === actor) return;
    heap[place] = last;
    this.#place[last] = place;
    this.#rise(place);
    this.#sink(this.#place[last]!);
  }

  #rise(from: number): void {
    const heap = this.#heap;
    const actor = heap[from]!;
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const other = heap[parent]!;
      if (!this.#isBefore(actor, other)) break;
      heap[place] = other;
      this.#place[other] = place;
      place = parent;
    }
    heap[place] = actor;
    this.#place[actor] = place;
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const actor = heap[from]!;
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#isBefore(heap[child + 1]!, heap[child]!)) child++;
      const other = heap[child]!;
      if (!this.#isBefore(other, actor)) break;
      heap[place] = other;
      this.#place[other] = place;
      place = child;
    }
    heap[place] = actor;
    this.#place[actor] = place;
  }
}
