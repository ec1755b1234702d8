/** From the keys of `probes` and `adaptation`, as they stand in a file or in a request, to what the data plane calls them. */
import type { HealthConfig } from '../paths/path-health.ts';
import type { Adaptation, AdaptiveConfig } from '../paths/adaptive-weights.ts';
import type { GuardConfig } from '../paths/guard.ts';
import type { FileAdaptation, FileProbes } from './schema.ts';

/** What is given, and nothing else. */
export function probeSpecOf(probes: FileProbes): Partial<HealthConfig> {
  const { interval, idleInterval, silent, recover, bad, good, loss, delay, ease, easeFrom } = probes;
  return given<HealthConfig>({
    intervalUs: interval,
    idleIntervalUs: idleInterval,
    silent,
    recover,
    bad,
    good,
    lossLimit: part(loss),
    delayLimitUs: delay,
    easeUs: ease,
    easeFrom: part(easeFrom),
  });
}

/** What is given, and nothing else. */
export function adaptationOf({ floor, ceiling, growth, hysteresis, guard }: FileAdaptation): Adaptation {
  const { margin, patience, retry, longestRetry } = guard ?? {};
  return {
    ...given<AdaptiveConfig>({
      floor: part(floor),
      ceiling: part(ceiling),
      growth: part(growth),
      hysteresis: part(hysteresis),
    }),
    ...(guard && {
      guard: given<GuardConfig>({
        margin: part(margin),
        patienceUs: patience,
        retryUs: retry,
        longestRetryUs: longestRetry,
      }),
    }),
  };
}

/** Millionths, as shares are read, as a part of 1. */
function part(millionths: number | undefined): number | undefined {
  return millionths === undefined ? undefined : millionths / 1e6;
}

function given<T extends object>(values: { [K in keyof T]: T[K] | undefined }): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}
