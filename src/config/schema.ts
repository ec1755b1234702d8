/**
 * The configuration file of `tunloom dataplane`: what keys there are, their form and defaults. Checks that need more than
 * one key are in cross-checks.ts; docs/configuration.md explains every key.
 */
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { ENCAPSULATIONS } from '../dataplane/session-spec.ts';
import { policyKeys, servicesSchema } from './flow-schema.ts';
import { observeSchema } from './observe.ts';
import {
  address,
  bid,
  expected,
  flag,
  greKey,
  integer,
  interfaceAddress,
  interfaceName,
  duration,
  durationWithin,
  keys,
  list,
  listenAddress,
  matching,
  oneOf,
  prefix,
  rate,
  share,
  window,
} from './schema-parts.ts';

const MAX_WORKERS = 16;

const resequencer = keys({
  window: window.optional(),
  minWait: duration.optional(),
  maxWait: duration.optional(),
  longestWait: duration.optional(),
  late: oneOf(['deliver', 'drop']).optional(),
  provenLoss: flag.optional(),
  equalDelay: flag.optional(),
});

const gre = keys({ key: flag.optional(), sequence: flag.optional(), checksum: flag.optional() });

const pathKeys = {
  local: address.optional(),
  remote: address.optional(),
  localPort: integer(1, 65535).optional(),
  remotePort: integer(1, 65535).optional(),
  interface: interfaceName.optional(),
  gateway: address.optional(),
  encapsulation: oneOf(ENCAPSULATIONS).optional(),
  weight: integer(0, 65535).optional(),
  mtu: integer(576, 9216).optional(),
  gre: gre.optional(),
  hopLimit: integer(1, 255).optional(),
  dscp: z.union([z.literal('copy'), integer(0, 63)], expected('copy or 0..63')).optional(),
  ecn: oneOf(['normal', 'compatibility']).optional(),
  dontFragment: oneOf(['set', 'copy', 'clear']).optional(),
  encapsulationLimit: integer(0, 255).nullable().optional(),
  label: integer(1, 255).optional(),
  rate: rate.optional(),
  delay: duration.optional(),
};

/** When paths are probed, and when one is degraded or down (docs/probes.md). */
const probeKeys = {
  interval: durationWithin(10_000, 60e6, '100ms or 1s').optional(),
  // Longer than ALIVE of assembly/reorder/estimate.ts, an idle path would be taken for silent when data begin.
  idleInterval: durationWithin(10_000, 300_000, '250ms').optional(),
  silent: integer(1, 100).optional(),
  recover: integer(1, 1000).optional(),
  bad: integer(1, 1000).optional(),
  good: integer(1, 10_000).optional(),
  loss: share.optional(),
  delay: duration.optional(),
  ease: durationWithin(0, 60e6, '3s, or 0s').optional(),
  easeFrom: share.refine((millionths) => millionths > 0, { error: 'has to be above 0%' }).optional(),
};
export const sessionProbes = keys(probeKeys);

/** How far and how fast adaptive weights go (docs/probes.md). */
export const sessionAdaptation = keys({
  floor: share.optional(),
  ceiling: share.optional(),
  growth: share.optional(),
  hysteresis: share.optional(),
  guard: keys({
    margin: share.optional(),
    patience: durationWithin(0, 600e6, '3s').optional(),
    retry: durationWithin(1e6, 3600e6, '30s').optional(),
    longestRetry: durationWithin(1e6, 24 * 3600e6, '10min').optional(),
  }).optional(),
});

const sessionKeys = {
  probes: sessionProbes.optional(),
  allowReordering: flag.optional(),
  clampMss: flag.optional(),
  adaptive: flag.optional(),
  adaptation: sessionAdaptation.optional(),
  resequencer: resequencer.optional(),
  ...policyKeys,
};

const path = keys({
  bid,
  name: matching(/^\S.{0,63}$/, 'a name of 1 to 64 characters').optional(),
  ...pathKeys,
});

/** One session as it stands in the file or in a PUT to the control socket. */
export const sessionSchema = keys({
  name: matching(/^[\w.@-]{1,64}$/, 'a name of 1 to 64 letters, digits, or . _ @ -'),
  prefixes: list(prefix).min(1, expected('at least one prefix')),
  sendKey: greKey.nullable().optional(),
  receiveKey: greKey.nullable().optional(),
  paths: list(path)
    .min(1, expected('at least one path'))
    .max(254, { error: 'more than 254 paths, there are only 254 BIDs' }),
  ...sessionKeys,
});

/** How tunnels of sessions are built that the signaling sets up; what it agrees on itself is not here. */
export const tunnelsSchema = keys({
  mtu: pathKeys.mtu,
  hopLimit: pathKeys.hopLimit,
  dscp: pathKeys.dscp,
  ecn: pathKeys.ecn,
  dontFragment: pathKeys.dontFragment,
  encapsulationLimit: pathKeys.encapsulationLimit,
  gre: keys({ sequence: flag.optional(), checksum: flag.optional() }).optional(),
  ...sessionKeys,
});

export const defaultsSchema = keys({ ...pathKeys, ...sessionKeys });

const tun = {
  name: interfaceName.default('tunloom0'),
  mtu: z.union([z.literal('auto'), integer(1280, 9216)], expected('auto or 1280..9216')).default('auto'),
  addresses: list(interfaceAddress).default([]),
  queueLength: integer(1, 100_000).default(1000),
};

/** Probes in the data path for all sessions, whether there are any at all, and what sessions may say otherwise. */
const probesSchema = keys({ enabled: flag.default(true), ...probeKeys });

/** Kernel offloads: used where the kernel has them, or not at all. */
const offload = oneOf(['auto', 'off']).default('auto');

/** `on`: also where the kernel has packet filters or IPsec that are passed by. */
const linkOffload = oneOf(['auto', 'on', 'off']).default('auto');

/** Past the kernel's stack in both directions, in front of it or in the driver. */
const xdpOffload = oneOf(['off', 'generic', 'native']).default('off');

/** Room for so much, if the file says nothing else. */
export function memorySchema(room: { sessions: number; paths: number; heapMiB: number }) {
  return z
    .strictObject({
      buffers: integer(1024, 1 << 20).default(8192),
      bufferSize: integer(2048, 65536, 'a multiple of 64, 2048..65536', (n) => n % 64 === 0).default(2048),
      sessions: integer(1, 1 << 20).default(room.sessions),
      paths: integer(1, 1 << 20).default(room.paths),
      heapMiB: integer(16, 3072).default(room.heapMiB),
    })
    .prefault({});
}

/** Keys that every daemon has: threads, TUN device, control socket, metrics, memory, log. */
export const hostKeys = {
  workers: integer(1, MAX_WORKERS).default(() => Math.min(availableParallelism(), 4)),
  tun: z.strictObject(tun).prefault({}),
  control: matching(/^.{1,107}$/, 'a path of 1 to 107 characters (unix(7))').default(
    '/run/tunloom/tunloom.sock',
  ),
  metrics: z.strictObject({ listen: listenAddress.nullable().default(null) }).prefault({}),
  memory: memorySchema({ sessions: 1024, paths: 4096, heapMiB: 256 }),
  offload: z
    .strictObject({
      tun: offload,
      segment: offload,
      merge: offload,
      link: linkOffload,
      xdp: xdpOffload,
    })
    .prefault({}),
  /** Microseconds that a worker looks for input before it sleeps. */
  busyPoll: duration.default(0),
  probes: probesSchema.prefault({}),
  log: z
    .strictObject({
      level: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
    })
    .prefault({}),
};

export const configSchema = keys({
  role: oneOf(['mag', 'lma']),
  ...hostKeys,
  routing: z
    .strictObject({
      manage: flag.default(true),
      table: integer(1, 0x7fff_ffff).default(8278),
      rulePriority: integer(2, 32765).default(8278),
      access: list(interfaceName).default([]),
      routes: list(prefix).default([]),
    })
    .prefault({}),
  observe: observeSchema(tunnelsSchema.prefault({})).prefault({}),
  customScheduler: matching(/^\S.*$/, 'the path of an AssemblyScript file')
    .nullable()
    .default(null),
  services: servicesSchema.default({}),
  defaults: defaultsSchema.prefault({}),
  sessions: list(sessionSchema).default([]),
});

export type FileConfig = z.output<typeof configSchema>;
export type FileSession = z.output<typeof sessionSchema>;
export type FileDefaults = z.output<typeof defaultsSchema>;
export type ObserveConfig = FileConfig['observe'];
export type FileTunnels = z.output<typeof tunnelsSchema>;
export type FileAdaptation = z.output<typeof sessionAdaptation>;
export type FileProbes = z.output<typeof sessionProbes>;
