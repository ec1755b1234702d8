/**
 * Virtual time: actors in a binary heap, each with at most one appointment. Time is whole nanoseconds from 0. Appointments of the
 * same instant run in the order in which their actors were registered, so a run is the same to the bit every time.
 */

export interface Actor {
  /** `now` in nanoseconds. */
  run(now: number): void;
}

const NOT_QUEUED = -1;
const NOBODY = -1;
const FIRST_CAPACITY = 64;

export class EventLoop {
  now = 0;
  readonly #actors: Actor[] = [];
  /** When each actor is due, and where it is in the heap. */
  #due = new Float64Array(FIRST_CAPACITY);
  #place = new Int32Array(FIRST_CAPACITY);
  #heap = new Int32Array(FIRST_CAPACITY);
  #size = 0;
  /** The actor that runs stays on top of the heap, due before everybody else, and its next appointment waits here. */
  #running = NOBODY;
  #next = Infinity;
  /** Appointments kept. */
  events = 0;

  /** Gives the number by which the actor makes appointments. */
  register(actor: Actor): number {
    const number = this.#actors.push(actor) - 1;
    if (number === this.#due.length) this.#grow();
    this.#due[number] = Infinity;
    this.#place[number] = NOT_QUEUED;
    return number;
  }

  /** When the actor is due; Infinity if it is not. */
  due(actor: number): number {
    return actor === this.#running ? this.#next : this.#due[actor]!;
  }

  /** Makes, moves or (Infinity) cancels the actor's appointment. What lies in the past is due now. */
  at(actor: number, time: number): void {
    const due = time < this.now ? this.now : time;
    if (actor === this.#running) {
      this.#next = due;
      return;
    }
    const place = this.#place[actor]!;
    const before = this.#due[actor]!;
    if (due === before) return;
    this.#due[actor] = due;
    if (place === NOT_QUEUED) {
      this.#heap[this.#size] = actor;
      this.#rise(this.#size++);
    } else if (due === Infinity) this.#remove(place);
    else if (due < before) this.#rise(place);
    else this.#sink(place);
  }

  /** Runs until nothing is due up to and including `end`; `now` is then `end` unless that is Infinity. */
  run(end: number): void {
    while (this.#size) {
      const actor = this.#heap[0]!;
      const due = this.#due[actor]!;
      if (due > end) break;
      this.now = due;
      this.events++;
      this.#due[actor] = -Infinity;
      this.#running = actor;
      this.#next = Infinity;
      this.#actors[actor]!.run(due);
      this.#running = NOBODY;
      this.#due[actor] = this.#next;
      if (this.#next === Infinity) this.#remove(0);
      else this.#sink(0);
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
    this.#place[heap[place]!] = NOT_QUEUED;
    const last = heap[--this.#size]!;
    if (place === this.#size) return;
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
    const size = this.#size;
    const actor = heap[from]!;
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#isBefore(heap[child + 1]!, heap[child]!)) child++;
      const other = heap[child]!;
      if (!this.#isBefore(other, actor)) break;
      heap[place] = other;
      this.#place[other] = place;
      place = child;
    }
    heap[place] = actor;
    this.#place[actor] = place;
  }

  #grow(): void {
    const due = new Float64Array(2 * this.#due.length);
    const place = new Int32Array(due.length);
    const heap = new Int32Array(due.length);
    due.set(this.#due);
    place.set(this.#place);
    heap.set(this.#heap);
    this.#due = due;
    this.#place = place;
    this.#heap = heap;
  }
}
