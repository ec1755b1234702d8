/** From the keys of `probes`, as they stand in a file or in a request, to what the data plane calls them; and back. */
import type { HealthConfig } from '../paths/path-health.ts';
import type { FileProbes } from './schema.ts';

/** What is given, and nothing else. */
export function probeSpecOf(probes: FileProbes): Partial<HealthConfig> {
  const { interval, silent, recover, bad, good, loss, delay, ease, easeFrom } = probes;
  const all: { [K in keyof HealthConfig]: number | undefined } = {
    intervalUs: interval,
    silent,
    recover,
    bad,
    good,
    lossLimit: loss === undefined ? undefined : loss / 1e6,
    delayLimitUs: delay,
    easeUs: ease,
    easeFrom: easeFrom === undefined ? undefined : easeFrom / 1e6,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
