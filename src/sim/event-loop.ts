/**
 * Virtual time: actors in a binary heap, each with at most one appointment. Time is whole nanoseconds from 0. Appointments of the
 * same instant run in the order in which their actors were registered, so a run is the same to the bit every time.
 */

/** What is called when an appointment is due, with the time in nanoseconds. */
export type Run = (now: number) => void;

const NOT_QUEUED = -1;
const NOBODY = -1;
const FIRST_CAPACITY = 64;

export class EventLoop {
  now = 0;
  readonly #runs: Run[] = [];
  /** Where each actor is in the heap. */
  #place = new Int32Array(FIRST_CAPACITY);
  /** The heap: actors, and beside them when they are due. */
  #heap = new Int32Array(FIRST_CAPACITY);
  #due = new Float64Array(FIRST_CAPACITY);
  #size = 0;
  /** The actor that runs stays on top of the heap, due before everybody else, and its next appointment waits here. */
  #running = NOBODY;
  #next = Infinity;
  /** Appointments kept. */
  events = 0;

  /** Gives the number by which the actor makes appointments. */
  register(run: Run): number {
    const number = this.#runs.push(run) - 1;
    if (number === this.#place.length) this.#grow();
    this.#place[number] = NOT_QUEUED;
    return number;
  }

  /** When the actor is due; Infinity if it is not. */
  due(actor: number): number {
    if (actor === this.#running) return this.#next;
    const place = this.#place[actor]!;
    return place === NOT_QUEUED ? Infinity : this.#due[place]!;
  }

  /** Makes, moves or (Infinity) cancels the actor's appointment. What lies in the past is due now. */
  at(actor: number, time: number): void {
    const due = time < this.now ? this.now : time;
    if (actor === this.#running) {
      this.#next = due;
      return;
    }
    const place = this.#place[actor]!;
    if (place === NOT_QUEUED) {
      if (due !== Infinity) this.#rise(this.#size++, actor, due);
    } else if (due === Infinity) this.#remove(place);
    else if (due < this.#due[place]!) this.#rise(place, actor, due);
    else if (due > this.#due[place]!) this.#sink(place, actor, due);
  }

  /** Runs until nothing is due up to and including `end`; `now` is then `end` unless that is Infinity. */
  run(end: number): void {
    while (this.#size) {
      const due = this.#due[0]!;
      if (due > end) break;
      const actor = this.#heap[0]!;
      this.now = due;
      this.events++;
      this.#due[0] = -Infinity;
      this.#running = actor;
      this.#next = Infinity;
      this.#runs[actor]!(due);
      this.#running = NOBODY;
      if (this.#next === Infinity) this.#remove(0);
      else this.#sink(0, actor, this.#next);
    }
    if (end !== Infinity && end > this.now) this.now = end;
  }

  /** The last one takes the place of the one that goes. */
  #remove(place: number): void {
    this.#place[this.#heap[place]!] = NOT_QUEUED;
    const last = --this.#size;
    if (place === last) return;
    const actor = this.#heap[last]!;
    const due = this.#due[last]!;
    const parent = (place - 1) >> 1;
    if (place && this.#isBefore(actor, due, parent)) this.#rise(place, actor, due);
    else this.#sink(place, actor, due);
  }

  /** Whether the actor comes before the one at `place`. */
  #isBefore(actor: number, due: number, place: number): boolean {
    const other = this.#due[place]!;
    return due < other || (due === other && actor < this.#heap[place]!);
  }

  /** Puts the actor where it belongs at or above `place`, which is free. */
  #rise(from: number, actor: number, due: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.#isBefore(actor, due, parent)) break;
      this.#put(place, this.#heap[parent]!, this.#due[parent]!);
      place = parent;
    }
    this.#put(place, actor, due);
  }

  /** The same at or below it. */
  #sink(from: number, actor: number, due: number): void {
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#isBefore(this.#heap[child + 1]!, this.#due[child + 1]!, child))
        child++;
      if (this.#isBefore(actor, due, child)) break;
      this.#put(place, this.#heap[child]!, this.#due[child]!);
      place = child;
    }
    this.#put(place, actor, due);
  }

  #put(place: number, actor: number, due: number): void {
    this.#heap[place] = actor;
    this.#due[place] = due;
    this.#place[actor] = place;
  }

  #grow(): void {
    const place = new Int32Array(2 * this.#place.length);
    const heap = new Int32Array(place.length);
    const due = new Float64Array(place.length);
    place.set(this.#place);
    heap.set(this.#heap);
    due.set(this.#due);
    this.#place = place;
    this.#heap = heap;
    this.#due = due;
  }
}
