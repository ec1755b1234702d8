/** The configuration file of `tunloom lma`: keys, form and defaults; docs/lma.md explains every key. */
import { z } from 'zod';
import {
  address,
  addressOrIdentity,
  addressOrPrefix,
  durationWithin,
  expected,
  flag,
  integer,
  interfaceAddress,
  keys,
  list,
  matching,
  oneOf,
  prefix,
} from './schema-parts.ts';
import { hostKeys, memorySchema, tunnelsSchema } from './schema.ts';
import {
  authenticationSchema,
  heartbeatSchema,
  securityKeys,
  stateDirectory,
  weightsSchema,
} from './signaling-schema.ts';

const MULTIPATH = ['on', 'off', 'reject'] as const;
/** A Lifetime field of 16 bits in units of 4 s. */
const MAX_LIFETIME_US = 65_535 * 4e6;

const mag = keys({
  address: addressOrPrefix,
  identity: matching(/^.{1,253}$/, 'a MAG Identifier of 1 to 253 characters').optional(),
  authentication: authenticationSchema.optional(),
});

const node = keys({
  identity: matching(/^[^*]*\*?[^*]*$/, 'an identity, or a pattern with one star').min(
    1,
    expected('an identity, or a pattern with one star'),
  ),
  proxyRegistration: flag.default(true),
  ipv6: flag.default(true),
  ipv4: flag.default(true),
  homePrefixes: list(prefix).default([]),
  homeAddress: interfaceAddress.optional(),
  delegated: list(prefix).default([]),
  delegation: flag.default(true),
  multipath: oneOf(MULTIPATH).optional(),
  mags: list(addressOrIdentity).default([]),
});

const registration = keys({
  maxLifetime: durationWithin(4e6, MAX_LIFETIME_US, '1h').default(3600e6),
  minDelayBeforeDelete: durationWithin(0, 600e6, '10s').default(10e6),
  maxDelayBeforeAssign: durationWithin(0, 60e6, '1500ms').default(1500e3),
  timestampWindow: durationWithin(1e3, 3600e6, '300ms').default(300e3),
  mobileNodeTimestamps: flag.default(false),
  maxUpdatesPerSecond: integer(1, 1_000_000).default(1000),
});

export const lmaSchema = keys({
  addresses: list(address).min(1, expected('at least one address')),
  ...hostKeys,
  memory: memorySchema({ sessions: 16_384, paths: 65_536, heapMiB: 512 }),
  state: stateDirectory,
  routing: keys({ manage: flag.default(true), routes: list(prefix).default([]) }).prefault({}),
  pools: keys({
    homePrefixes: list(prefix).default([]),
    homePrefixLength: integer(1, 128).default(64),
    ipv4: keys({ pool: prefix, router: address }).optional(),
    delegated: list(keys({ pool: prefix, length: integer(1, 128) })).default([]),
  }).prefault({}),
  mags: list(mag).default([]),
  nodes: list(node).default([]),
  multipath: oneOf(MULTIPATH).default('on'),
  registration: registration.prefault({}),
  gre: oneOf(['off', 'on', 'required']).default('on'),
  tlv: flag.default(true),
  forcedUdp: flag.default(true),
  flowBindings: oneOf(['on', 'off', 'prohibited']).default('on'),
  maxFlows: integer(1, 4096).default(256),
  revocation: flag.default(true),
  heartbeat: heartbeatSchema.nullable().default(null),
  vendor: integer(1, 0xffff_ffff).default(32473),
  ...securityKeys,
  weights: weightsSchema.prefault({}),
  tunnels: tunnelsSchema.prefault({}),
});

export type LmaFile = z.output<typeof lmaSchema>;
