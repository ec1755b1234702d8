/** Configuration keys that `tunloom lma` and `tunloom mag` have in common: keys of peers, weight rules, heartbeats, access technologies. */
import { z } from 'zod';
import { TECHNOLOGIES } from '../pmipv6/technology-names.ts';
import { durationWithin, expected, integer, keys, matching } from './schema-parts.ts';

const TECHNOLOGY_NAMES = [...TECHNOLOGIES.keys()].join(', ');

function technologyOf(value: unknown): number | undefined {
  if (typeof value === 'string' && !/^\d+$/.test(value)) return TECHNOLOGIES.get(value.toLowerCase());
  const number = Number(value);
  return Number.isInteger(number) && number >= 0 && number <= 255 ? number : undefined;
}

/** An access technology type, by number or name. */
export const technology = z
  .custom<string | number>(
    (value) => technologyOf(value) !== undefined,
    expected(`0..255 or one of ${TECHNOLOGY_NAMES}`),
  )
  .transform((value) => technologyOf(value)!);

const MIN_KEY_OCTETS = 16;

/** 128 bits are the least that is worth having; HMAC-SHA1 gains nothing beyond 64 octets. */
const hexKey = matching(
  new RegExp(`^([0-9a-fA-F]{2}){${MIN_KEY_OCTETS},64}$`),
  `${MIN_KEY_OCTETS * 2} to 128 hexadecimal digits`,
);

/** SPIs 0..255 are reserved (RFC 4285 §5.1). */
const spi = z
  .custom<number | string>(
    (value) =>
      (typeof value === 'string' ? /^(\d{1,10}|0x[0-9a-f]{1,8})$/i.test(value) : Number.isInteger(value)) &&
      Number(value) >= 256 &&
      Number(value) <= 0xffff_ffff,
    expected('an SPI, 256..4294967295'),
  )
  .transform(Number);

/** `key` in the file, or `keyFile` with the digits in a file of its own. */
export const authenticationSchema = keys({
  spi,
  key: hexKey.optional(),
  keyFile: matching(/^.{1,4095}$/, 'the name of a file').optional(),
}).refine(({ key, keyFile }) => (key === undefined) !== (keyFile === undefined), {
  error: 'expected either key or keyFile',
});

const weight = integer(0, 65535);

/** A map whose keys are checked too; the value is a Map with numbers as keys. */
function numbered(keyOf: (key: string) => number | undefined, what: string) {
  return z
    .record(z.string(), weight, expected('keys and weights'))
    .superRefine((record, context) => {
      for (const key of Object.keys(record)) {
        if (keyOf(key) === undefined) {
          context.addIssue({ code: 'custom', path: [key], message: `expected ${what} as key` });
        }
      }
    })
    .transform((record) => new Map(Object.entries(record).map(([key, value]) => [keyOf(key) ?? -1, value])));
}

export const weightsSchema = keys({
  labels: numbered(
    (key) => (/^\d{1,3}$/.test(key) && Number(key) <= 255 ? Number(key) : undefined),
    'a label, 0..255',
  ).prefault({}),
  technologies: numbered(technologyOf, `0..255 or one of ${TECHNOLOGY_NAMES}`).prefault({}),
});

export const securityKeys = {
  /** RFC 4285 §5.1: 7 s by default, more than 3 s. */
  clockWindow: durationWithin(3e6, 60e6, '7s').default(7e6),
};

/** RFC 5847 §3.3: 30 s to 1 h; shorter ones are for tests and private links. */
export const heartbeatSchema = keys({
  interval: durationWithin(1e6, 3600e6, '60s').default(60e6),
  missingAllowed: integer(1, 100).default(3),
});

/** Directory of what has to survive a restart. */
export const stateDirectory = matching(/^.{1,4000}$/, 'a directory').default('/var/lib/tunloom');

/** Keys of what concerns the process and its devices: a running daemon keeps them. */
export const PROCESS_KEYS = [
  'workers',
  'tun',
  'control',
  'metrics',
  'memory',
  'offload',
  'busyPoll',
  'routing',
  'state',
] as const;

/** Keys of a daemon's file that the data plane's host and the process are made from. */
const HOST_KEYS = [...PROCESS_KEYS, 'probes', 'log'] as const;

export type HostPart<F extends Record<(typeof HOST_KEYS)[number], unknown>> = Pick<
  F,
  (typeof HOST_KEYS)[number]
>;

/** These keys of `file`. */
export function hostPart<F extends Record<(typeof HOST_KEYS)[number], unknown>>(file: F): HostPart<F> {
  return Object.fromEntries(HOST_KEYS.map((key) => [key, file[key]])) as HostPart<F>;
}
