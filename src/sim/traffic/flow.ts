/** What a source of traffic sees of the simulation, and what the simulation sees of it. */
import type { EventLoop } from '../event-loop.ts';

/** Where a flow's packets go: `forward` with its data, backward with acknowledgements and requests. */
export interface FlowPort {
  readonly loop: EventLoop;
  /** Sends an inner packet of `size` octets; `segment` and `options` travel with it. Gives the position in the store. */
  send(forward: boolean, size: number, segment: number): number;
  /** Those of the packet at `at` begin at `at` * OPTION_WORDS. */
  readonly options: Int32Array;
  readonly segments: Int32Array;
  readonly sizes: Int32Array;
}

export interface FlowResult {
  /** Octets that the application got, in order and once. */
  readonly octets: number;
  readonly retransmits: number;
  readonly timeouts: number;
  /** Nanoseconds that each finished transfer took. */
  readonly completions: readonly number[];
  /** Congestion window in segments over time; empty without one. */
  readonly windows: readonly { readonly time: number; readonly window: number }[];
}

export interface Flow {
  /** The packet at `at` of the store has come out of the tunnel, for the first time or once more. */
  receive(forward: boolean, at: number, now: number, isFirst: boolean): void;
  /** Nothing more comes out of the tunnel at this moment: what belongs together has reached the receiver as one super-packet. */
  burstOver(now: number): void;
  result(): FlowResult;
}
