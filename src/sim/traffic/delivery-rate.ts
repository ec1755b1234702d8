/** How fast segments are delivered: since each was sent, as draft-cheng-iccrg-delivery-rate-estimation-00 has it. Times in nanoseconds. */
export class DeliveryRate {
  /** Segments that have arrived, in sequence or not, needless repetitions among them. */
  delivered = 0;
  /** When the last of them did. */
  #at = 0;
  /** Both as of the sending of each segment, by place. */
  readonly #deliveredThen: Float64Array;
  readonly #atThen: Float64Array;

  constructor(places: number) {
    this.#deliveredThen = new Float64Array(places);
    this.#atThen = new Float64Array(places);
  }

  send(place: number, now: number): void {
    if (!this.delivered) this.#at ||= now;
    this.#deliveredThen[place] = this.delivered;
    this.#atThen[place] = this.#at;
  }

  /** Some have arrived. */
  note(now: number): void {
    this.#at = now;
  }

  /** Segments a nanosecond since the one at `place` was sent; null: not known. */
  since(place: number, now: number, minRtt: number): number | null {
    const delivered = this.delivered - this.#deliveredThen[place]!;
    const time = Math.max(now - this.#atThen[place]!, minRtt);
    return delivered > 0 && Number.isFinite(time) && time > 0 ? delivered / time : null;
  }
}
