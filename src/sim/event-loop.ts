/**
 * Virtual time: actors in a binary heap, each with at most one appointment. Time is whole nanoseconds from 0. Appointments of the
 * same instant run in the order in which their actors were registered, so a run is the same to the bit every time.
 *
 * Timers are put off far more often than they run out, so an appointment that is put off or cancelled keeps its place in the heap and only
 * moves when that comes to the top.
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
  /** When each is due; Infinity if it is not. */
  #due = new Float64Array(FIRST_CAPACITY);
  /** The heap: actors, and beside them the times by which they are ordered, none later than when its actor is due. */
  #heap = new Int32Array(FIRST_CAPACITY);
  #times = new Float64Array(FIRST_CAPACITY);
  #size = 0;
  /** The actor that runs stays on top of the heap, before everybody else, until its next appointment is known. */
  #running = NOBODY;
  /** Appointments kept. */
  events = 0;

  /** Gives the number by which the actor makes appointments. */
  register(run: Run): number {
    const number = this.#runs.push(run) - 1;
    if (number === this.#place.length) this.#grow();
    this.#place[number] = NOT_QUEUED;
    this.#due[number] = Infinity;
    return number;
  }

  /** When the actor is due; Infinity if it is not. */
  due(actor: number): number {
    return this.#due[actor]!;
  }

  /** Makes, moves or (Infinity) cancels the actor's appointment. What lies in the past is due now. */
  at(actor: number, time: number): void {
    const due = time < this.now ? this.now : time;
    this.#due[actor] = due;
    if (actor === this.#running) return;
    const place = this.#place[actor]!;
    if (place === NOT_QUEUED) {
      if (due !== Infinity) this.#rise(this.#size++, actor, due);
    } else if (due < this.#times[place]!) this.#rise(place, actor, due);
  }

  /** Runs until nothing is due up to and including `end`; `now` is then `end` unless that is Infinity. */
  run(end: number): void {
    while (this.#size) {
      const time = this.#times[0]!;
      if (time > end) break;
      const actor = this.#heap[0]!;
      if (this.#due[actor] === time) {
        this.now = time;
        this.events++;
        this.#due[actor] = Infinity;
        this.#times[0] = -Infinity;
        this.#running = actor;
        this.#runs[actor]!(time);
        this.#running = NOBODY;
      }
      const next = this.#due[actor]!;
      if (next === Infinity) this.#removeFirst();
      else this.#sink(actor, next);
    }
    if (end !== Infinity && end > this.now) this.now = end;
  }

  /** The last one takes its place. */
  #removeFirst(): void {
    this.#place[this.#heap[0]!] = NOT_QUEUED;
    const last = --this.#size;
    if (last) this.#sink(this.#heap[last]!, this.#times[last]!);
  }

  /** Whether the actor comes before the one at `place`. */
  #isBefore(actor: number, time: number, place: number): boolean {
    const other = this.#times[place]!;
    return time < other || (time === other && actor < this.#heap[place]!);
  }

  /** Puts the actor where it belongs at or above `from`, which is free. */
  #rise(from: number, actor: number, time: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.#isBefore(actor, time, parent)) break;
      this.#put(place, this.#heap[parent]!, this.#times[parent]!);
      place = parent;
    }
    this.#put(place, actor, time);
  }

  /** Puts the actor where it belongs from the top on, which is free. */
  #sink(actor: number, time: number): void {
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#isBefore(this.#heap[child + 1]!, this.#times[child + 1]!, child))
        child++;
      if (this.#isBefore(actor, time, child)) break;
      this.#put(place, this.#heap[child]!, this.#times[child]!);
      place = child;
    }
    this.#put(place, actor, time);
  }

  #put(place: number, actor: number, time: number): void {
    this.#heap[place] = actor;
    this.#times[place] = time;
    this.#place[actor] = place;
  }

  #grow(): void {
    const capacity = 2 * this.#place.length;
    const grown = <T extends Int32Array | Float64Array>(larger: T, values: T): T => {
      larger.set(values);
      return larger;
    };
    this.#place = grown(new Int32Array(capacity), this.#place);
    this.#heap = grown(new Int32Array(capacity), this.#heap);
    this.#due = grown(new Float64Array(capacity), this.#due);
    this.#times = grown(new Float64Array(capacity), this.#times);
  }
}
