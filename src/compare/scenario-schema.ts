/** The schema of a scenario file; docs/compare.md describes every key. Links are written as for the emulator. */
import { z } from 'zod';
import {
  bid,
  durationWithin,
  expected,
  flag,
  integer,
  keys,
  list,
  oneOf,
  rate,
  window,
} from '../config/schema-parts.ts';
import { LINK_KEYS } from '../emulator/model/link-text.ts';
import { CONGESTION_CONTROLS } from '../sim/spec.ts';

const time = durationWithin(0, 3600e6, '200ms or 10s');
const meanTime = durationWithin(1, 3600e6, '200ms or 10s');
const word = z.string(expected('text')).min(1);
const linkValue = z.union([z.string(), z.number()], expected('text or a number')).transform(String);
const link = keys(
  Object.fromEntries(LINK_KEYS.map((key) => [key, linkValue.optional()])) as {
    [K in (typeof LINK_KEYS)[number]]: z.ZodOptional<typeof linkValue>;
  },
);
const weight = integer(0, 1000);
const direction = oneOf(['uplink', 'downlink']);

/** Models of traffic, and the keys that each needs, or takes, beside those of all. */
export const TRAFFIC_MODELS = {
  constant: { needs: ['rate', 'packet'], takes: [] },
  poisson: { needs: ['rate', 'packet'], takes: [] },
  'on-off': { needs: ['rate', 'packet', 'on', 'off'], takes: [] },
  pcap: { needs: ['file'], takes: [] },
  tcp: { needs: [], takes: ['congestion', 'octets'] },
  requests: { needs: ['octets', 'pause'], takes: ['congestion'] },
} as const;
export type TrafficModel = keyof typeof TRAFFIC_MODELS;

const traffic = keys({
  name: word.optional(),
  model: oneOf(Object.keys(TRAFFIC_MODELS) as TrafficModel[]),
  direction: direction.default('downlink'),
  start: time.default(0),
  stop: time.optional(),
  flows: integer(1, 1000).default(1),
  dscp: integer(0, 63).default(0),
  rate: rate.optional(),
  packet: integer(28, 1468).optional(),
  on: meanTime.optional(),
  off: meanTime.optional(),
  congestion: oneOf(CONGESTION_CONTROLS).optional(),
  octets: integer(1, 1e12).optional(),
  pause: time.optional(),
  file: word.optional(),
});

const event = keys({
  at: time,
  bid,
  state: oneOf(['up', 'down']).optional(),
  weight: weight.optional(),
  link: link.optional(),
});

export const scenarioSchema = keys({
  name: word,
  description: word,
  duration: durationWithin(10_000, 3600e6, '10s').default(10e6),
  paths: list(keys({ bid, name: word.optional(), weight: integer(1, 1000).default(1), link })).min(1),
  traffic: list(traffic).min(1),
  events: list(event).default([]),
  resequencer: keys({
    window: window.default(4096),
    minWait: time.default(1000),
    maxWait: time.default(100_000),
    late: oneOf(['deliver', 'drop']).default('deliver'),
    provenLoss: flag.default(true),
    equalDelay: oneOf(['uplink', 'downlink', 'both']).optional(),
  }).prefault({}),
  latencyClass: flag.default(false),
  detection: time.default(500_000),
  probeInterval: durationWithin(1000, 60e6, '100ms').default(100_000),
});

export type ScenarioFile = z.infer<typeof scenarioSchema>;
