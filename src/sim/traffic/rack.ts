/**
 * Which segments are due: loss by time (RACK, RFC 8985) as Linux has it (net/ipv4/tcp_recovery.c). What was sent before the latest segment that
 * has arrived is lost when it has been on its way for longer than a round trip and the reordering window.
 */
import { ReorderingWindow } from './reordering-window.ts';

/** Linux adds this to the time after which it looks again (TCP_TIMEOUT_MIN). */
const PATIENCE = 2e6;

export class Rack {
  readonly reordering = new ReorderingWindow();
  /** Something has arrived since losses were looked for: without that Linux does not look for them. */
  isAdvanced = false;
  /** Round trip of the segment that arrived last, nanoseconds: not of the latest sent, so that a slow path's counts as well. */
  rtt = 0;
  /** The latest one sent of those that have arrived. */
  #sentAt = -1;
  #segment = -1;

  /** `segment`, sent at `sentAt` for the last time, has arrived. */
  advance(segment: number, sentAt: number, now: number): void {
    this.isAdvanced = true;
    this.rtt = now - sentAt;
    if (this.isOvertaken(segment, sentAt)) return;
    this.#sentAt = sentAt;
    this.#segment = segment;
  }

  /** One that was sent later has arrived. Those of one burst were sent in order. */
  isOvertaken(segment: number, sentAt: number): boolean {
    return sentAt < this.#sentAt || (sentAt === this.#sentAt && segment < this.#segment);
  }

  /** When to look again, if one of those that are not lost yet will be in `longest` nanoseconds, the others before. */
  nextLook(now: number, longest: number, timeout: number): number {
    return now + Math.min(Math.ceil(longest) + PATIENCE, Math.ceil(timeout));
  }
}
