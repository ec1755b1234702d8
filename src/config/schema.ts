/**
 * The configuration file of `tunloom dataplane`: what keys there are, their form and defaults. Checks that need more than
 * one key are in cross-checks.ts; docs/configuration.md explains every key.
 */
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { ENCAPSULATIONS } from '../dataplane/session-spec.ts';
import { parseAddress, parsePrefix } from '../ip.ts';

const MAX_WORKERS = 16;

/** The one form of schema messages: what is there, what was expected. */
function expected(what: string): { error: (issue: { input?: unknown }) => string } {
  return {
    error: ({ input }) =>
      input === undefined ? `missing, expected ${what}` : `got ${JSON.stringify(input)}, expected ${what}`,
  };
}

/** A string that `parse` accepts; its complaint becomes the message. */
function parsedBy(parse: (text: string) => unknown, what: string): z.ZodString {
  return z.string(expected(what)).superRefine((text, context) => {
    try {
      parse(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: `${(error as Error).message}, expected ${what}` });
    }
  });
}

const address = parsedBy(parseAddress, 'an address such as 192.0.2.1 or 2001:db8::1');
const prefix = parsedBy(parsePrefix, 'a prefix such as 192.0.2.0/24 or 2001:db8::/64');
/** An address with a prefix length; host bits are the point of it. */
const interfaceAddress = parsedBy((text) => {
  const [host = '', length = '', ...rest] = text.split('/');
  const { bytes } = parseAddress(host);
  if (rest.length || !/^\d{1,3}$/.test(length) || Number(length) > bytes.length * 8) {
    throw new Error(`"${text}" has no valid prefix length`);
  }
}, 'an address with its prefix length such as 192.0.2.1/32');

function matching(pattern: RegExp, what: string): z.ZodString {
  return z.string(expected(what)).regex(pattern, expected(what));
}

const interfaceName = matching(
  /^[^\s/]{1,15}$/,
  'an interface name of 1 to 15 characters, no blanks, no slash',
);

/** A whole number within bounds; `also` narrows further and `what` then says how. */
function integer(
  low: number,
  high: number,
  what = `${low}..${high}`,
  also: (n: number) => boolean = () => true,
) {
  return z.custom<number>(
    (value) =>
      Number.isInteger(value) && Number(value) >= low && Number(value) <= high && also(Number(value)),
    expected(what),
  );
}

function oneOf<const T extends readonly string[]>(names: T): z.ZodEnum<{ [K in T[number]]: K }> {
  return z.enum(names, expected(`one of ${names.join(', ')}`)) as z.ZodEnum<{ [K in T[number]]: K }>;
}

const flag = z.boolean(expected('true or false'));

function keys<T extends z.core.$ZodLooseShape>(shape: T): z.ZodObject<T, z.core.$strict> {
  return z.strictObject(shape, {
    // Unknown keys are worded by load.ts, which can look for the key that was meant.
    error: (issue) =>
      issue.code === 'invalid_type' ? expected('keys and their values').error(issue) : undefined,
  });
}

function list<T extends z.core.SomeType>(element: T): z.ZodArray<T> {
  return z.array(element, expected('a list'));
}

const MAX_DURATION_US = 10e6;

/** A duration such as 500us, 20ms or 1s, in microseconds. */
const duration = matching(/^\d+(\.\d+)?(us|ms|s)$/, 'a duration such as 500us, 20ms or 1s').transform(
  (text, context) => {
    const unit = text.endsWith('us') ? 1 : text.endsWith('ms') ? 1e3 : 1e6;
    const value = Math.round(Number.parseFloat(text) * unit);
    if (value > MAX_DURATION_US) {
      context.addIssue({
        code: 'custom',
        message: `got "${text}", expected at most ${MAX_DURATION_US / 1e6}s`,
      });
    }
    return value;
  },
);

const MAX_GRE_KEY = 0xffff_ffff;

function isGreKey(value: unknown): boolean {
  const written =
    typeof value === 'string' ? /^(\d{1,10}|0x[0-9a-f]{1,8})$/i.test(value) : Number.isInteger(value);
  return written && Number(value) >= 0 && Number(value) <= MAX_GRE_KEY;
}

const greKey = z
  .custom<number | string>(isGreKey, expected('a GRE key, 0..4294967295 or 0x0..0xffffffff'))
  .transform(Number);

const resequencer = keys({
  window: integer(64, 65536, 'a power of two, 64..65536', (n) => (n & (n - 1)) === 0).optional(),
  minWait: duration.optional(),
  maxWait: duration.optional(),
  late: oneOf(['deliver', 'drop']).optional(),
  provenLoss: flag.optional(),
});

const gre = keys({ key: flag.optional(), sequence: flag.optional(), checksum: flag.optional() });

/** RFC 8278 §4.1: 0 and 255 are reserved. */
const bid = z.custom<number>(
  (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 254,
  {
    error: ({ input }) =>
      input === 0 || input === 255
        ? `${input} is reserved, expected 1..254 (RFC 8278 §4.1)`
        : expected('1..254 (RFC 8278 §4.1)').error({ input }),
  },
);

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
};

const sessionKeys = {
  allowReordering: flag.optional(),
  clampMss: flag.optional(),
  resequencer: resequencer.optional(),
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

export const defaultsSchema = keys({ ...pathKeys, ...sessionKeys });

export const configSchema = keys({
  role: oneOf(['mag', 'lma']),
  workers: integer(1, MAX_WORKERS).default(() => Math.min(availableParallelism(), 4)),
  tun: z
    .strictObject({
      name: interfaceName.default('tunloom0'),
      mtu: z.union([z.literal('auto'), integer(1280, 9216)], expected('auto or 1280..9216')).default('auto'),
      addresses: list(interfaceAddress).default([]),
      queueLength: integer(1, 100_000).default(1000),
    })
    .prefault({}),
  routing: z
    .strictObject({
      manage: flag.default(true),
      table: integer(1, 0x7fff_ffff).default(8278),
      rulePriority: integer(2, 32765).default(8278),
      access: list(interfaceName).default([]),
      routes: list(prefix).default([]),
    })
    .prefault({}),
  control: matching(/^.{1,107}$/, 'a path of 1 to 107 characters (unix(7))').default(
    '/run/tunloom/tunloom.sock',
  ),
  memory: z
    .strictObject({
      buffers: integer(1024, 1 << 20).default(8192),
      bufferSize: integer(2048, 65536, 'a multiple of 64, 2048..65536', (n) => n % 64 === 0).default(2048),
      sessions: integer(1, 1 << 20).default(1024),
      paths: integer(1, 1 << 20).default(4096),
      heapMiB: integer(16, 3072).default(256),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
    })
    .prefault({}),
  defaults: defaultsSchema.prefault({}),
  sessions: list(sessionSchema).default([]),
});

export type FileConfig = z.output<typeof configSchema>;
export type FileSession = z.output<typeof sessionSchema>;
export type FileDefaults = z.output<typeof defaultsSchema>;
