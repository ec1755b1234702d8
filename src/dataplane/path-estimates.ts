/**
 * Puts what was measured of a path where the schedulers read it (layout.ts, MODEL_*): single words, stored in place while
 * packets flow. Called by the session store for the path estimator and for configured rates.
 */
import * as L from '../../assembly/layout.ts';
import type { PathEstimates } from './distribution-spec.ts';
import type { DataplaneMemory } from './memory.ts';

/** Estimates that may be undefined are left as they are. */
type GivenEstimates = { readonly [K in keyof PathEstimates]: PathEstimates[K] | undefined };

/** Stores what is given; a value of 0 means "not known". */
export function writeEstimates(memory: DataplaneMemory, path: number, estimates: GivenEstimates): void {
  const model = memory.path(path) + L.PATH_MODEL_BLOCK;
  const { delayUs, jitterUs, rate, loss, freeAtUs, holdUs } = estimates;
  const store = (field: number, value: number): void => {
    Atomics.store(memory.u32, (model + field) / 4, Math.min(Math.max(Math.round(value), 0), 0xffff_ffff));
  };
  if (delayUs !== undefined) store(L.MODEL_DELAY, delayUs);
  if (jitterUs !== undefined) store(L.MODEL_JITTER, jitterUs);
  if (rate !== undefined) store(L.MODEL_OCTET_TIME, rate > 0 ? Math.max(1, (8e9 * 256) / rate) : 0);
  if (loss !== undefined) store(L.MODEL_LOSS, loss);
  if (holdUs !== undefined) store(L.MODEL_HOLD, holdUs);
  if (freeAtUs !== undefined) {
    // A worker may charge the model at the same moment: then one of the two is lost, until the next probe.
    Atomics.store(
      memory.u64,
      (model + L.MODEL_FREE_AT) / 8,
      BigInt(Math.max(0, Math.round(freeAtUs))) * 1000n,
    );
  }
}

/** A path's new record takes over what was known by its old one. */
export function moveEstimates(memory: DataplaneMemory, from: number, to: number): void {
  const model = memory.path(from) + L.PATH_MODEL_BLOCK;
  memory.bytes.copyWithin(
    memory.path(to) + L.PATH_MODEL_BLOCK,
    model,
    model + L.PATH_STRIDE - L.PATH_MODEL_BLOCK,
  );
}
