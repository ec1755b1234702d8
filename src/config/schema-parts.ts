/**
 * Building blocks of the configuration schemas: addresses, numbers within bounds, durations, GRE keys, and the one form of
 * their messages.
 */
import { z } from 'zod';
import { canonicalAddress, canonicalPrefix, parseAddress, parsePrefix } from '../ip.ts';

/** The one form of schema messages: what is there, what was expected. */
export function expected(what: string): { error: (issue: { input?: unknown }) => string } {
  return {
    error: ({ input }) =>
      input === undefined
        ? `missing, expected ${what}`
        : `got ${excerpt(JSON.stringify(input))}, expected ${what}`,
  };
}

const EXCERPT = 100;

/** The beginning of what may be long: it may be the wrong file. */
export function excerpt(text: string): string {
  return text.length > EXCERPT ? `${text.slice(0, EXCERPT)} ...` : text;
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

// Addresses and prefixes get their one form here: what reads a configuration compares them as text.
export const address = parsedBy(parseAddress, 'an address such as 192.0.2.1 or 2001:db8::1').transform(
  canonicalAddress,
);
export const prefix = parsedBy(parsePrefix, 'a prefix such as 192.0.2.0/24 or 2001:db8::/64').transform(
  canonicalPrefix,
);
/** An address, which stands for the prefix of its whole length, or a prefix. */
export const addressOrPrefix = parsedBy(
  (text) => (text.includes('/') ? parsePrefix(text) : parseAddress(text)),
  'an address or a prefix such as 192.0.2.1 or 2001:db8::/64',
).transform(withLength);
/** The same, or a MAG Identifier (RFC 8278 §4.2), which is an NAI. */
export const addressOrIdentity = parsedBy(
  (text) => text.includes('@') || (text.includes('/') ? parsePrefix(text) : parseAddress(text)),
  'an address, a prefix, or a MAG Identifier such as mag1@example.org',
).transform((text) => (text.includes('@') ? text : withLength(text)));
/** An address with a prefix length; host bits are the point of it. */
export const interfaceAddress = parsedBy((text) => {
  const [host = '', length = '', ...rest] = text.split('/');
  const { bytes } = parseAddress(host);
  if (rest.length || !/^\d{1,3}$/.test(length) || Number(length) > bytes.length * 8) {
    throw new Error(`"${text}" has no valid prefix length`);
  }
}, 'an address with its prefix length such as 192.0.2.1/32').transform((text) => {
  const [host = '', length] = text.split('/');
  return `${canonicalAddress(host)}/${Number(length)}`;
});

/** Where a server listens: an address, in brackets if it is IPv6, and a TCP port. */
export const listenAddress = parsedBy(
  parseListenAddress,
  'an address and a port such as 127.0.0.1:9278 or [::1]:9278',
).transform(parseListenAddress);

function parseListenAddress(text: string): { host: string; port: number } {
  const [, v6, v4, digits] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = v6 ?? v4;
  const port = Number(digits);
  if (host === undefined || port < 1 || port > 65535) throw new Error(`"${text}" has no valid port`);
  if (parseAddress(host).bytes.length !== (v6 === undefined ? 4 : 16)) {
    throw new Error(`"${host}" is of the other family`);
  }
  return { host, port };
}

function withLength(text: string): string {
  return canonicalPrefix(text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`);
}

/** Text that fits `pattern`; `what` describes it for messages. */
export function matching(pattern: RegExp, what: string): z.ZodString {
  return z.string(expected(what)).regex(pattern, expected(what));
}

export const interfaceName = matching(
  /^[^\s/]{1,15}$/,
  'an interface name of 1 to 15 characters, no blanks, no slash',
);

/** A whole number within bounds; `also` narrows further and `what` then says how. */
export function integer(
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

/** Packets that a resequencer can hold. */
export const window = integer(64, 65536, 'a power of two, 64..65536', (n) => (n & (n - 1)) === 0);

/** One of these words. */
export function oneOf<const T extends readonly string[]>(names: T): z.ZodEnum<{ [K in T[number]]: K }> {
  return z.enum(names, expected(`one of ${names.join(', ')}`)) as z.ZodEnum<{ [K in T[number]]: K }>;
}

export const flag = z.boolean(expected('true or false'));

/** A map with these keys and no others. */
export function keys<T extends z.core.$ZodLooseShape>(shape: T): z.ZodObject<T, z.core.$strict> {
  return z.strictObject(shape, {
    // Unknown keys are worded by load.ts, which can look for the key that was meant.
    error: (issue) =>
      issue.code === 'invalid_type' ? expected('keys and their values').error(issue) : undefined,
  });
}

export function list<T extends z.core.SomeType>(element: T): z.ZodArray<T> {
  return z.array(element, expected('a list'));
}

const UNITS_US: Readonly<Record<string, number>> = { us: 1, ms: 1e3, s: 1e6, min: 60e6, h: 3600e6 };

/** A duration such as 500us, 20ms, 1s, 5min or 1h within bounds in microseconds; the value is in microseconds. */
export function durationWithin(low: number, high: number, example: string) {
  return matching(/^\d+(\.\d+)?(us|ms|s|min|h)$/, `a duration such as ${example}`).transform(
    (text, context) => {
      const unit = UNITS_US[/[a-z]+$/.exec(text)![0]]!;
      const value = Math.round(Number.parseFloat(text) * unit);
      if (value < low || value > high) {
        const bound = value < low ? `at least ${low / 1e6}s` : `at most ${high / 1e6}s`;
        context.addIssue({ code: 'custom', message: `got "${text}", expected ${bound}` });
      }
      return value;
    },
  );
}

/** A duration of at most 10 s, in microseconds. */
export const duration = durationWithin(0, 10e6, '500us, 20ms or 1s');

const RATE_UNITS: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 };

/** A rate such as 500kbit, 50mbit or 1gbit, in bits a second (tc(8) writes them so), with capitals or without. */
export const rate = matching(/^\d+(\.\d+)?(bit|kbit|mbit|gbit)$/i, 'a rate such as 500kbit, 50mbit or 1gbit')
  .transform((text) =>
    Math.round(Number.parseFloat(text) * RATE_UNITS[text.replace(/[\d.]/g, '').toLowerCase()]!),
  )
  .refine((bits) => bits >= 1000, { error: 'is below 1kbit' });

const MAX_GRE_KEY = 0xffff_ffff;

function isGreKey(value: unknown): boolean {
  const written =
    typeof value === 'string' ? /^(\d{1,10}|0x[0-9a-f]{1,8})$/i.test(value) : Number.isInteger(value);
  return written && Number(value) >= 0 && Number(value) <= MAX_GRE_KEY;
}

export const greKey = z
  .custom<number | string>(isGreKey, expected('a GRE key, 0..4294967295 or 0x0..0xffffffff'))
  .transform(Number);

/** RFC 8278 §4.1: 0 and 255 are reserved. */
export const bid = z.custom<number>(
  (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 254,
  {
    error: ({ input }) =>
      input === 0 || input === 255
        ? `${input} is reserved, expected 1..254 (RFC 8278 §4.1)`
        : expected('1..254 (RFC 8278 §4.1)').error({ input }),
  },
);

/** A share such as 0.1%, in millionths. */
export const share = matching(/^\d{1,3}(\.\d+)?%$/, 'a share such as 0.1%')
  .refine((text) => Number.parseFloat(text) <= 100, expected('a share of at most 100%'))
  .transform((text) => Math.round(Number.parseFloat(text) * 1e4));
