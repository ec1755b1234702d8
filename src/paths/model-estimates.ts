/**
 * To what the schedulers' model of a path (assembly/schedule/path-model.ts) is set when a probe that was answered has shown its queue: the
 * model drifts, and its rate may be wrong. Pure; daemon and simulator tell their schedulers the same.
 */
import type { DirectionEstimate } from './direction-meter.ts';
import type { SeenQueue } from './path-probe-state.ts';

export interface MeasuredPath {
  /** Of the smallest round trip of all paths of the session. */
  readonly shortestRoundUs: number;
  /** Behind the fastest of them, one way. */
  readonly delayBehindUs: number;
  readonly sending: DirectionEstimate;
  /** Bits a second; undefined: the operator said nothing. */
  readonly configuredRate: number | undefined;
  /** Octets that have been sent over it by now; undefined: not known. */
  readonly txOctets: number | undefined;
}

/** Microseconds, packets in a million, bits a second; what is left out stays as it is. */
export interface ModelEstimates {
  readonly delayUs: number;
  readonly jitterUs: number;
  readonly loss?: number;
  readonly rate?: number;
  readonly freeAtUs?: number;
}

/** From what is measured of a path to what the model of a scheduler is set to; `seen`: the queue that the last probe found. */
export function modelEstimates(path: MeasuredPath, seen: SeenQueue): ModelEstimates {
  const { shortestRoundUs, delayBehindUs, sending, configuredRate, txOctets } = path;
  const rate = sending.capacity ?? configuredRate;
  return {
    // Half the shortest round trip is the best guess at the one way that clocks cannot tell.
    delayUs: Math.max(1, shortestRoundUs / 2 + delayBehindUs),
    jitterUs: sending.jitterUs,
    ...(sending.loss !== null && { loss: sending.loss * 1e6 }),
    ...(sending.capacity !== null && { rate: sending.capacity }),
    // Behind the queue that the probe found comes what was sent since.
    ...(txOctets !== undefined && {
      freeAtUs: seen.sentUs + seen.queueUs + (rate ? ((txOctets - seen.txOctets) * 8e6) / rate : 0),
    }),
  };
}
