/**
 * Replay protection of authenticated messages by time (RFC 4285 §6): a message carries the sender's clock, has to be near ours, and
 * is taken once. Messages may overtake each other on paths of different delay, so what was seen is remembered instead of a highest
 * time only.
 */
import type { Message } from './wire/mobility-header.ts';
import { Status } from './wire/numbers.ts';
import { timestampMilliseconds } from './wire/option/timestamp.ts';
import { findOption, type MobilityOption } from './wire/options.ts';

/** Mobility message replay protection option, MESG-ID (RFC 4285 §6): a 64-bit NTP timestamp. */
const MESG_ID_TYPE = 10;
const MESG_ID_LENGTH = 8;
/** Seconds from 1900 to 1970. */
const NTP_EPOCH = 2_208_988_800;
/** RFC 4330 §3: with the first bit set the seconds count from 1900, otherwise from when they began again in 2036. */
const NTP_FIRST_BIT = 0x8000_0000;
const NTP_ERA = 2 ** 32;

export type ReplayVerdict = 'fresh' | 'replayed' | 'stale' | 'untimed';

/** The message with a MESG-ID option if it has no Timestamp of its own. */
export function withTime<M extends Message>(message: M, utc: number): M {
  if (message.message === 'unknown' || findOption(message.options, 'timestamp')) return message;
  return { ...message, options: [...message.options, mesgId(utc)] };
}

function mesgId(utc: number): MobilityOption {
  const data = new Uint8Array(MESG_ID_LENGTH);
  const view = new DataView(data.buffer);
  view.setUint32(0, (Math.floor(utc / 1000) + NTP_EPOCH) >>> 0);
  view.setUint32(4, Math.floor(((utc % 1000) / 1000) * 2 ** 32));
  return { option: 'unknown', type: MESG_ID_TYPE, data };
}

/** The sender's clock in milliseconds since 1970; undefined if the message does not tell. */
function timeOf({ options }: Message): number | undefined {
  const timestamp = findOption(options, 'timestamp');
  if (timestamp) return timestampMilliseconds(timestamp);
  for (const option of options) {
    if (option.option !== 'unknown' || option.type !== MESG_ID_TYPE) continue;
    if (option.data.length !== MESG_ID_LENGTH) return undefined;
    const view = new DataView(option.data.buffer, option.data.byteOffset);
    const written = view.getUint32(0);
    const seconds = written < NTP_FIRST_BIT ? written + NTP_ERA : written;
    return (seconds - NTP_EPOCH) * 1000 + (view.getUint32(4) / 2 ** 32) * 1000;
  }
  return undefined;
}

export class ReplayGuard {
  /** Milliseconds between the clocks that are taken. */
  readonly window: number;
  /** Authenticators by the time (UTC) until which they are remembered, oldest first. */
  private readonly seen = new Map<string, number>();

  /** `before`: what it has seen is remembered, for as long as this `window` asks. */
  constructor(window: number, before?: ReplayGuard) {
    this.window = window;
    for (const [authenticator, until] of before?.seen ?? []) {
      this.seen.set(authenticator, until + 2 * (window - before!.window));
    }
  }

  /** Judges a message whose `authenticator` has been found right, and remembers it. */
  judge(message: Message, authenticator: string, utc: number): ReplayVerdict {
    const time = timeOf(message);
    if (time === undefined) return 'untimed';
    // The LMA answers a clock that is off with status 156 and its own time (RFC 5213 §5.5), in both of which cases time differs.
    const clockIsTheSubject =
      (message.message === 'binding-update' && findOption(message.options, 'timestamp') !== undefined) ||
      (message.message === 'binding-ack' && message.status === Status.TIMESTAMP_MISMATCH);
    if (!clockIsTheSubject && Math.abs(time - utc) > this.window) return 'stale';
    this.forget(utc);
    if (this.seen.has(authenticator)) return 'replayed';
    this.seen.set(authenticator, utc + 2 * this.window);
    return 'fresh';
  }

  private forget(utc: number): void {
    for (const [authenticator, until] of this.seen) {
      // A clock that was set back must not keep them for ever.
      if (until > utc && until <= utc + 2 * this.window) return;
      this.seen.delete(authenticator);
    }
  }
}
