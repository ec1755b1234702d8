/**
 * Keys of the distribution policy in configuration files and on the control socket: scheduler and its parameters, flow rules, services,
 * latency class (docs/policy.md). flow-rules.ts turns them into the data plane's words.
 */
import { z } from 'zod';
import { SCHEDULERS } from '../dataplane/distribution-spec.ts';
import { formatAddress, parseAddress, parsePrefix } from '../ip.ts';
import {
  bid,
  duration,
  expected,
  flag,
  integer,
  keys,
  list,
  matching,
  oneOf,
  prefix,
  rate,
} from './schema-parts.ts';

const MAX_RANGES = 256;

/** IANA protocol numbers by the names of /etc/protocols. */
const PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  dccp: 33,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  sctp: 132,
  udplite: 136,
};

/** RFC 2474, 2597, 3246, 5865, 8622. */
const DSCPS: Readonly<Record<string, number>> = {
  ...Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`cs${i}`, i << 3])),
  ...Object.fromEntries(
    [1, 2, 3, 4].flatMap((group) =>
      [1, 2, 3].map((drop) => [`af${group}${drop}`, (group << 3) | (drop << 1)]),
    ),
  ),
  le: 1,
  'voice-admit': 44,
  ef: 46,
};

export interface NumberRange {
  readonly start: number;
  readonly end: number;
}

/** One value or range, or a list of them, such as 80, "8000-8099", [80, 443]. Names where `names` has them. */
function ranges(most: number, what: string, names: Readonly<Record<string, number>> = {}) {
  const parse = (value: unknown): NumberRange | null => {
    if (typeof value === 'number') return parse(String(value));
    if (typeof value !== 'string') return null;
    const name = value.toLowerCase();
    if (Object.hasOwn(names, name)) return { start: names[name]!, end: names[name]! };
    const [, first, last] = /^(0x[\da-f]+|\d+)(?:-(0x[\da-f]+|\d+))?$/i.exec(value) ?? [];
    if (first === undefined) return null;
    const start = Number(first);
    const end = Number(last ?? first);
    return start <= end && end <= most ? { start, end } : null;
  };
  return listOf(parse, what);
}

function listOf<T>(parse: (value: unknown) => T | null, what: string): z.ZodType<T[]> {
  return z.unknown().transform((value, context): T[] => {
    const values = Array.isArray(value) ? value : [value];
    const parsed = values.map(parse);
    const bad = parsed.indexOf(null);
    if (bad < 0 && values.length > 0 && values.length <= MAX_RANGES) return parsed as T[];
    context.issues.push({
      code: 'custom',
      input: value,
      path: Array.isArray(value) && bad >= 0 ? [bad] : [],
      message:
        bad >= 0
          ? `got ${JSON.stringify(values[bad])}, expected ${what}`
          : `got ${values.length} values, expected 1 to ${MAX_RANGES}`,
    });
    return z.NEVER;
  });
}

export interface AddressRange {
  readonly family: 4 | 6;
  readonly start: string;
  readonly end: string;
}

/** A prefix, an address or "first-last". */
function parseAddresses(value: unknown): AddressRange | null {
  if (typeof value !== 'string') return null;
  try {
    const [first = '', last, ...rest] = value.split('-');
    if (rest.length) return null;
    if (last !== undefined) {
      const [a, b] = [parseAddress(first), parseAddress(last)];
      const ordered = Buffer.compare(Buffer.from(a.bytes), Buffer.from(b.bytes)) <= 0;
      return a.family === b.family && ordered ? { family: a.family, start: first, end: last } : null;
    }
    if (!value.includes('/')) return { family: parseAddress(value).family, start: value, end: value };
    return rangeOf(value);
  } catch {
    return null;
  }
}

/** The addresses of a prefix. Throws BAD_PREFIX. */
export function rangeOf(prefix: string): AddressRange {
  const { family, bytes, length } = parsePrefix(prefix);
  const last = bytes.map((byte, i) => byte | (0xff >> Math.min(Math.max(length - i * 8, 0), 8)));
  return { family, start: formatAddress(bytes), end: formatAddress(last) };
}

const addresses = listOf(parseAddresses, 'a prefix, an address, or a range such as 192.0.2.1-192.0.2.9');
const ports = ranges(65535, 'a port 0..65535 or a range such as "8000-8099"');
const protocols = ranges(255, `a protocol 0..255, or one of ${Object.keys(PROTOCOLS).join(', ')}`, PROTOCOLS);
const dscps = ranges(63, 'a DSCP 0..63 or a name such as ef, af41, cs1', DSCPS);

export const serviceName = matching(/^[\w.-]{1,32}$/, 'a name of 1 to 32 letters, digits, or . _ -');

/** A service by its ports or by where it is: what stands at the correspondent's side. */
export const serviceSchema = keys({
  protocol: protocols.optional(),
  ports: ports.optional(),
  prefixes: list(prefix).optional(),
}).refine((service) => service.ports ?? service.prefixes ?? service.protocol, {
  error: 'says nothing, expected protocol, ports or prefixes',
});
export type FileService = z.output<typeof serviceSchema>;

export const servicesSchema = z.record(serviceName, serviceSchema, expected('names and what they mean'));
export type FileServices = z.output<typeof servicesSchema>;

/** Services that need no entry; one of the file with the same name replaces it. */
export const KNOWN_SERVICES: FileServices = servicesSchema.parse({
  http: { protocol: ['tcp', 'udp'], ports: [80, 443, 8080] },
  dns: { protocol: ['tcp', 'udp'], ports: [53, 853] },
  ntp: { protocol: 'udp', ports: 123 },
  ssh: { protocol: 'tcp', ports: 22 },
  mail: { protocol: 'tcp', ports: [25, 110, 143, 465, 587, 993, 995] },
  sip: { protocol: ['tcp', 'udp'], ports: '5060-5061' },
  ipsec: { protocol: 'esp' },
});

const distributionKeys = {
  sequence: oneOf(['auto', 'always', 'never']).optional(),
  seed: integer(0, 0xffff_ffff).optional(),
  gap: z
    .union([z.literal('auto').transform(() => null), duration], expected('auto or a duration such as 50ms'))
    .optional(),
  queue: duration.optional(),
  peerWindow: integer(64, 65536).optional(),
  peerEqualDelay: flag.optional(),
  burst: duration.optional(),
};

export const scheduler = oneOf(SCHEDULERS);
export const distributionSchema = keys(distributionKeys);
export type FileDistribution = z.output<typeof distributionSchema>;

/** Body of PUT /v1/sessions/NAME/scheduler. */
export const schedulerBody = keys({ scheduler, ...distributionKeys });

export const latencySchema = keys({
  dscp: dscps.optional(),
  small: z
    .union([
      flag,
      keys({
        packet: integer(40, 9216).optional(),
        rate: rate.optional(),
        burst: integer(100, 1 << 20).optional(),
      }),
    ])
    .optional(),
});
export type FileLatency = z.output<typeof latencySchema>;

const weight = integer(1, 65535);
const label = integer(1, 255);
const bids = list(bid).min(1, expected('at least one BID'));

/** What a rule does: exactly one of these. */
const ACTIONS = ['path', 'paths', 'label', 'labels', 'copies', 'drop'] as const;

export const flowSchema = keys({
  name: matching(/^\S.{0,63}$/, 'a name of 1 to 64 characters').optional(),
  priority: integer(1, 65535).optional(),
  services: z.union([serviceName.transform((name) => [name]), list(serviceName).min(1)]).optional(),
  source: addresses.optional(),
  destination: addresses.optional(),
  protocol: protocols.optional(),
  sourcePort: ports.optional(),
  destinationPort: ports.optional(),
  dscp: dscps.optional(),
  spi: ranges(0xffff_ffff, 'an SPI or a range of them').optional(),
  flowLabel: ranges(0xfffff, 'a flow label of 20 bits or a range of them').optional(),
  path: bid.optional(),
  paths: z
    .union([bids, z.record(z.string().regex(/^([1-9]\d?|1\d\d|2[0-4]\d|25[0-4])$/), weight)], {
      error: 'expected BIDs such as [1, 2], or weights by BID such as {1: 2, 2: 1}',
    })
    .optional(),
  label: label.optional(),
  labels: list(label).min(1, expected('at least one label')).optional(),
  copies: bids.max(16, { error: 'more than 16 copies' }).optional(),
  drop: z.literal(true, expected('true')).optional(),
  scheduler: scheduler.optional(),
  distribution: distributionSchema.optional(),
}).superRefine((flow, context) => {
  const given = ACTIONS.filter((action) => flow[action] !== undefined);
  if (given.length !== 1) {
    const message = `got ${given.join(' and ') || 'no action'}, expected exactly one of ${ACTIONS.join(', ')}`;
    context.addIssue({ code: 'custom', message, ...(given[1] && { path: [given[1]] }) });
  }
  const own =
    flow.scheduler !== undefined ? 'scheduler' : flow.distribution !== undefined ? 'distribution' : null;
  if (own && !flow.paths && !flow.label && !flow.labels) {
    context.addIssue({ code: 'custom', message: 'goes with paths, label or labels only', path: [own] });
  }
});
export type FileFlow = z.output<typeof flowSchema>;

/** Keys of a session, and of `defaults`. */
export const policyKeys = {
  scheduler: scheduler.optional(),
  distribution: distributionSchema.optional(),
  latency: latencySchema.optional(),
  flows: list(flowSchema).max(4096, { error: 'more than 4096 rules' }).optional(),
};
