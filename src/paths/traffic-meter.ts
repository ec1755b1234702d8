/**
 * What becomes of the data of one direction of a path: points at which both ends have counted, a window of them, and from it rate and loss.
 * A probe travels behind the data that was sent before it, so what was sent before it and what had come when it came belong together. Pure.
 */

export interface TrafficPoint {
  /** Microseconds of the receiving end's clock, when it counted. */
  readonly timeUs: number;
  readonly sentPackets: number;
  readonly receivedPackets: number;
  readonly receivedOctets: number;
}

/** Fewer packets say nothing about loss. */
const ENOUGH_PACKETS = 50;

export class TrafficMeter {
  readonly #windowUs: number;
  #points: TrafficPoint[] = [];
  #loss = 0;
  #lossKnown = false;

  constructor(windowUs: number) {
    this.#windowUs = windowUs;
  }

  /** Points that are older than the last, as of probes that were overtaken, are left out; counters that go back begin anew. */
  add(point: TrafficPoint): void {
    const last = this.#points.at(-1);
    if (last) {
      if (point.sentPackets < last.sentPackets && point.timeUs > last.timeUs) this.#points = [];
      else if (point.receivedPackets < last.receivedPackets && point.timeUs > last.timeUs) this.#points = [];
      else if (point.timeUs <= last.timeUs) return;
    }
    this.#points.push(point);
    while (this.#points.length > 2 && point.timeUs - this.#points[1]!.timeUs >= this.#windowUs) {
      this.#points.shift();
    }
    const first = this.#points[0]!;
    const sent = point.sentPackets - first.sentPackets;
    if (sent < ENOUGH_PACKETS) return;
    this.#loss = Math.max(0, 1 - (point.receivedPackets - first.receivedPackets) / sent);
    this.#lossKnown = true;
  }

  /** Forgets everything: the path was down. */
  clear(): void {
    this.#points = [];
    this.#lossKnown = false;
  }

  /** Share of packets that did not come, null while too few were sent; the last known one when the path has become idle. */
  get loss(): number | null {
    return this.#lossKnown ? this.#loss : null;
  }

  /** Whether enough was sent within the window to speak of loss now. */
  get busy(): boolean {
    const [first, last] = [this.#points[0], this.#points.at(-1)];
    return first !== undefined && last!.sentPackets - first.sentPackets >= ENOUGH_PACKETS;
  }

  /** Microseconds from one packet that came to the next; 0: none came. */
  get spacingUs(): number {
    const [first, last] = [this.#points[0], this.#points.at(-1)];
    const packets = first ? last!.receivedPackets - first.receivedPackets : 0;
    return packets > 0 ? (last!.timeUs - first!.timeUs) / packets : 0;
  }

  /** Bits a second that came. */
  get rate(): number {
    const [first, last] = [this.#points[0], this.#points.at(-1)];
    if (!first || last!.timeUs <= first.timeUs) return 0;
    return ((last!.receivedOctets - first.receivedOctets) * 8e6) / (last!.timeUs - first.timeUs);
  }
}
