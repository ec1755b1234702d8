/**
 * The configuration file of `tunloom dataplane`: what keys there are, their form and defaults. Checks that need more than
 * one key are in cross-checks.ts; docs/configuration.md explains every key.
 */
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { ENCAPSULATIONS } from '../dataplane/session-spec.ts';
import { parseAddress, parsePrefix } from '../ip.ts';

const MAX_WORKERS = 16;

/** A string that `parse` accepts; its complaint becomes the message. */
function parsedBy(parse: (text: string) => unknown): z.ZodString {
  return z.string().superRefine((text, context) => {
    try {
      parse(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
    }
  }) as unknown as z.ZodString;
}

const address = parsedBy(parseAddress);
const prefix = parsedBy(parsePrefix);
/** An address with a prefix length; host bits are the point of it. */
const interfaceAddress = parsedBy((text) => {
  const [host = '', length = ''] = text.split('/');
  const { bytes } = parseAddress(host);
  if (!/^\d+$/.test(length) || Number(length) > bytes.length * 8) throw new Error(`"${text}" is not address/length`);
});
const interfaceName = z
  .string()
  .regex(/^[^\s/]{1,15}$/, 'an interface name has 1 to 15 characters, no blanks and no slash');
const integer = (low: number, high: number): z.ZodNumber => z.int().min(low).max(high);

/** A duration such as 500us, 20ms or 1s, in microseconds. */
const duration = z
  .string()
  .regex(/^\d+(\.\d+)?(us|ms|s)$/, 'a duration looks like 500us, 20ms or 1s')
  .transform((text) => {
    const unit = text.endsWith('us') ? 1 : text.endsWith('ms') ? 1e3 : 1e6;
    return Math.round(Number.parseFloat(text) * unit);
  })
  .refine((value) => value <= 10e6, 'at most 10s');

const greKey = z
  .union([z.int(), z.string().regex(/^0x[0-9a-f]{1,8}$/i)])
  .transform(Number)
  .refine((value) => value >= 0 && value <= 0xffff_ffff, 'a GRE key is a number from 0 to 0xffffffff');

const resequencer = z.strictObject({
  window: integer(64, 65536)
    .refine((value) => (value & (value - 1)) === 0, 'the window is a power of two from 64 to 65536')
    .optional(),
  minWait: duration.optional(),
  maxWait: duration.optional(),
  late: z.enum(['deliver', 'drop']).optional(),
  provenLoss: z.boolean().optional(),
});

const gre = z.strictObject({
  key: z.boolean().optional(),
  sequence: z.boolean().optional(),
  checksum: z.boolean().optional(),
});

const pathKeys = {
  local: address.optional(),
  remote: address.optional(),
  localPort: integer(1, 65535).optional(),
  remotePort: integer(1, 65535).optional(),
  interface: interfaceName.optional(),
  gateway: address.optional(),
  encapsulation: z.enum(ENCAPSULATIONS).optional(),
  weight: integer(0, 65535).optional(),
  mtu: integer(576, 9216).optional(),
  gre: gre.optional(),
  hopLimit: integer(1, 255).optional(),
  dscp: z.union([z.literal('copy'), integer(0, 63)]).optional(),
  ecn: z.enum(['normal', 'compatibility']).optional(),
  dontFragment: z.enum(['set', 'copy', 'clear']).optional(),
  encapsulationLimit: integer(0, 255).nullable().optional(),
};

const sessionKeys = {
  allowReordering: z.boolean().optional(),
  clampMss: z.boolean().optional(),
  resequencer: resequencer.optional(),
};

const path = z.strictObject({
  bid: z.int().refine((bid) => bid >= 1 && bid <= 254, {
    message: 'a BID is a number from 1 to 254; 0 and 255 are reserved (RFC 8278 §4.1)',
  }),
  name: z.string().min(1).optional(),
  ...pathKeys,
});

/** One session as it stands in the file or in a PUT to the control socket. */
export const sessionSchema = z.strictObject({
  name: z.string().regex(/^[\w.@-]{1,64}$/, 'a session name has 1 to 64 letters, digits, or . _ @ -'),
  prefixes: z.array(prefix).min(1),
  sendKey: greKey.nullable().optional(),
  receiveKey: greKey.nullable().optional(),
  paths: z.array(path).min(1).max(254),
  ...sessionKeys,
});

export const defaultsSchema = z.strictObject({ ...pathKeys, ...sessionKeys });

export const configSchema = z.strictObject({
  role: z.enum(['mag', 'lma']),
  workers: integer(1, MAX_WORKERS).default(() => Math.min(availableParallelism(), 4)),
  tun: z
    .strictObject({
      name: interfaceName.default('tunloom0'),
      mtu: z.union([z.literal('auto'), integer(1280, 9216)]).default('auto'),
      addresses: z.array(interfaceAddress).default([]),
      queueLength: integer(1, 100_000).default(1000),
    })
    .prefault({}),
  routing: z
    .strictObject({
      manage: z.boolean().default(true),
      table: integer(1, 0x7fff_ffff).default(8278),
      rulePriority: integer(2, 32765).default(8278),
      access: z.array(interfaceName).default([]),
      routes: z.array(prefix).default([]),
    })
    .prefault({}),
  control: z.string().min(1).max(107).default('/run/tunloom/tunloom.sock'),
  memory: z
    .strictObject({
      buffers: integer(1024, 1 << 20).default(8192),
      bufferSize: integer(2048, 65536)
        .refine((size) => size % 64 === 0, 'a multiple of 64')
        .default(2048),
      sessions: integer(1, 1 << 20).default(1024),
      paths: integer(1, 1 << 20).default(4096),
      heapMiB: integer(16, 3072).default(256),
    })
    .prefault({}),
  log: z
    .strictObject({ level: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info') })
    .prefault({}),
  defaults: defaultsSchema.prefault({}),
  sessions: z.array(sessionSchema).default([]),
});

export type FileConfig = z.output<typeof configSchema>;
export type FileSession = z.output<typeof sessionSchema>;
export type FileDefaults = z.output<typeof defaultsSchema>;
