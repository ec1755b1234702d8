/** What the emulator's thread is told, and what it counts. */
import type { MessagePort } from 'node:worker_threads';
import type { LinkPair } from './model/link-text.ts';

export interface EmulatorTask {
  /** Frames lie here; its address never changes. */
  readonly memory: WebAssembly.Memory;
  readonly base: number;
  /** packet(7) sockets of both sides, and a link model for each direction. */
  readonly links: readonly (Required<LinkPair> & { readonly a: number; readonly b: number })[];
  /** eventfd(2) that tells of mail. */
  readonly wakeFd: number;
  readonly port: MessagePort;
  /** COUNTERS.length f64 a direction. */
  readonly counters: SharedArrayBuffer;
}

/** Counters of one direction, in this order. */
export const COUNTERS = [
  'offered',
  'lost',
  'queueFull',
  'doubled',
  'overtaken',
  'sent',
  'unsent',
  'oversized',
  'noSlot',
] as const;
export type Counter = (typeof COUNTERS)[number];
export type DirectionCounters = Readonly<Record<Counter, number>>;
