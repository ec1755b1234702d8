/** The configuration file of `tunloom mag`: keys, form and defaults; docs/mag.md explains every key. */
import { flowSchema, servicesSchema } from './flow-schema.ts';
import { z } from 'zod';
import {
  address,
  bid,
  duration,
  durationWithin,
  expected,
  flag,
  integer,
  interfaceAddress,
  interfaceName,
  keys,
  list,
  matching,
  oneOf,
  prefix,
  rate,
  share,
} from './schema-parts.ts';
import { hostKeys, memorySchema, tunnelsSchema } from './schema.ts';
import {
  authenticationSchema,
  heartbeatSchema,
  securityKeys,
  stateDirectory,
  technology,
  weightsSchema,
} from './signaling-schema.ts';

const MAX_LIFETIME_US = 65_535 * 4e6;
const identity = matching(/^[^*]{1,253}$/, 'an identity (NAI) of 1 to 253 characters without star');
const pattern = matching(/^[^*]*\*?[^*]*$/, 'an identity, or a pattern with one star').min(
  1,
  expected('an identity, or a pattern with one star'),
);

const lma = keys({
  ipv6: address.optional(),
  ipv4: address.optional(),
  authentication: authenticationSchema.optional(),
});

/** What the LMA is told of a WAN interface; also in PUT /v1/interfaces/NAME. */
export const metricsSchema = keys({
  weight: integer(0, 65535).optional(),
  uplinkRate: rate.optional(),
  downlinkRate: rate.optional(),
  latency: duration.optional(),
  loss: share.optional(),
});

const wanInterface = keys({
  name: interfaceName,
  bid,
  label: integer(0, 255),
  technology: technology.prefault(1),
  priority: integer(0, 1000).default(0),
  careOf: address.optional(),
  gateway: address.optional(),
  mtu: integer(1280, 9216).default(1500),
  metrics: metricsSchema.prefault({}),
});

const nodeKeys = {
  lma: lma.optional(),
  ipv6: flag.default(true),
  ipv4: flag.default(false),
  homePrefixes: list(prefix).default([]),
  homeAddress: interfaceAddress.optional(),
  multipath: flag.default(true),
  interfaces: list(interfaceName).optional(),
  /** Negotiated with the LMA (RFC 6089). */
  flows: list(flowSchema).default([]),
};

const node = keys({ identity: pattern, ...nodeKeys, delegated: list(prefix).default([]) });
const logicalNode = keys({
  identity,
  ...nodeKeys,
  delegated: list(prefix).default(['::/0']),
  technology: technology.prefault(1),
});

const linkLayerAddress = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;

const access = keys({
  name: interfaceName,
  /** One node: whatever is behind the interface. */
  node: identity.optional(),
  /** Several: by link-layer address. */
  known: z
    .record(
      z.string().regex(linkLayerAddress, expected('a link-layer address such as 02:00:5e:00:53:01')),
      identity,
      expected('link-layer addresses and identities'),
    )
    .optional(),
  template: identity.optional(),
  attachOn: list(oneOf(['router-solicitation', 'dhcp', 'link'])).default([
    'router-solicitation',
    'dhcp',
    'link',
  ]),
  technology: technology.prefault(3),
  dns: list(address).default([]),
  advertisementInterval: durationWithin(4e6, 1800e6, '10min').default(600e6),
  /** Of several nodes; null: never. */
  silence: durationWithin(6e6, 86_400e6, '5min').nullable().default(300e6),
});

const lan = keys({
  name: interfaceName,
  node: identity,
  subnet: integer(0, 0xffff).default(0),
  dns: list(address).default([]),
  advertisementInterval: durationWithin(4e6, 1800e6, '10min').default(600e6),
});

const registration = keys({
  lifetime: durationWithin(8e6, MAX_LIFETIME_US, '10min').default(600e6),
  refreshBefore: durationWithin(0, 3600e6, '40s').default(40e6),
  firstTimeout: durationWithin(100e3, 60e6, '1s').default(1e6),
  maxTimeout: durationWithin(100e3, 3600e6, '32s').default(32e6),
  maxUpdatesPerBinding: integer(1, 1000).default(3),
  maxUpdatesPerLma: integer(1, 1_000_000).default(500),
  ordering: oneOf(['timestamp', 'sequence']).default('timestamp'),
  bulk: flag.default(true),
  furtherPathHandoff: z.literal([1, 6], expected('1 or 6')).default(1),
  strict: flag.default(true),
});

export const magSchema = keys({
  identity,
  lma,
  interfaces: list(wanInterface).min(1, expected('at least one interface')),
  logicalNodes: list(logicalNode).default([]),
  nodes: list(node).default([]),
  access: list(access).default([]),
  lans: list(lan).default([]),
  multipath: flag.default(true),
  services: servicesSchema.default({}),
  registration: registration.prefault({}),
  gre: oneOf(['off', 'on', 'keyless', 'demanded']).default('on'),
  tlv: flag.default(true),
  forceUdp: flag.default(false),
  /** 0s: none. */
  natKeepalive: durationWithin(0, 3600e6, '20s').default(20e6),
  linkLocal: address.optional(),
  heartbeat: heartbeatSchema.nullable().prefault({}),
  vendor: integer(1, 0xffff_ffff).default(32473),
  ...securityKeys,
  weights: weightsSchema.prefault({}),
  tunnels: tunnelsSchema.prefault({}),
  ...hostKeys,
  memory: memorySchema({ sessions: 1024, paths: 4096, heapMiB: 256 }),
  state: stateDirectory,
  routing: keys({
    manage: flag.default(true),
    table: integer(1, 0x7fff_ffff).default(8278),
    rulePriority: integer(2, 32765).default(8278),
    access: list(interfaceName).default([]),
    routes: list(prefix).default([]),
  }).prefault({}),
});

export type MagFile = z.output<typeof magSchema>;
