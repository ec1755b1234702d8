/** Links as people write them: `rate=50mbit,delay=30ms,jitter=5ms,loss=0.1%`. */
import { TunloomError } from '../../errors.ts';
import { LINK_DEFAULTS, type LinkSpec } from './link.ts';
import type { LossSpec } from './loss.ts';
import { type Trace, parseTrace } from './trace.ts';

/** Both directions of a path. */
export interface LinkPair {
  readonly uplink: LinkSpec;
  readonly downlink: LinkSpec;
  /** What losses and jitter are drawn from, if it is to be said for each direction. */
  readonly seeds?: { readonly uplink: number; readonly downlink: number };
}

export const LINK_KEYS = [
  'rate',
  'delay',
  'jitter',
  'loss',
  'burst-loss',
  'reorder',
  'duplicate',
  'queue',
  'trace',
] as const;
export type LinkKey = (typeof LINK_KEYS)[number];

export function isLinkKey(key: string): key is LinkKey {
  return (LINK_KEYS as readonly string[]).includes(key);
}

/**
 * Settings of a link. A value with a slash is uplink/downlink: `rate=10mbit/50mbit`. `read` gives the text of a trace file. Throws
 * BAD_OPTION naming key and value, BAD_TRACE.
 */
export function parseLinks(
  settings: readonly (readonly [LinkKey, string])[],
  read: (file: string) => string,
): LinkPair {
  let uplink = LINK_DEFAULTS;
  let downlink = LINK_DEFAULTS;
  let queue = false;
  const keys = new Set(settings.map(([key]) => key));
  if (keys.has('rate') && keys.has('trace'))
    throw new TunloomError('BAD_OPTION', 'a link has a rate or a trace, not both');
  for (const [key, value] of settings) {
    // File names may hold slashes.
    const [up, down] = key === 'trace' || key === 'burst-loss' ? [value, value] : halves(key, value);
    uplink = { ...uplink, ...parseSetting(key, up, read) };
    downlink = { ...downlink, ...parseSetting(key, down, read) };
    queue ||= key === 'queue';
  }
  return queue ? { uplink, downlink } : { uplink: withQueue(uplink), downlink: withQueue(downlink) };
}

function halves(key: string, value: string): [string, string] {
  const [up = '', down, ...rest] = value.split('/');
  if (rest.length) throw bad(key, value, 'one value, or one for each direction: uplink/downlink');
  return [up, down ?? up];
}

/** A queue of 100 ms, as access equipment tends to have, at least 64 KiB. */
function withQueue(spec: LinkSpec): LinkSpec {
  if (spec.rate === null) return spec;
  return { ...spec, limit: Math.max(64 << 10, Math.round(spec.rate / 80)) };
}

function parseSetting(key: LinkKey, value: string, read: (file: string) => string): Partial<LinkSpec> {
  switch (key) {
    case 'rate':
      return { rate: parseRate(value) };
    case 'delay':
      return { delay: parseTime(key, value) };
    case 'jitter':
      return { jitter: parseTime(key, value) };
    case 'loss':
      return { loss: { model: 'random', probability: parseShare(key, value) } };
    case 'burst-loss':
      return { loss: parseBurst(value) };
    case 'reorder':
      return { reorder: parseShare(key, value) };
    case 'duplicate':
      return { duplicate: parseShare(key, value) };
    case 'queue':
      return { limit: parseOctets(value) };
    case 'trace':
      return { trace: readTrace(value, read) };
  }
}

function bad(key: string, value: string, expected: string): TunloomError {
  return new TunloomError('BAD_OPTION', `${key}=${value}: expected ${expected}`);
}

const RATE_UNITS: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 };

/** Such as 50mbit, in bit/s. */
export function parseRate(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(bit|kbit|mbit|gbit)$/i.exec(text);
  const rate = match ? Number(match[1]) * RATE_UNITS[match[2]!.toLowerCase()]! : 0;
  if (rate < 1000 || rate > 1e11) throw bad('rate', text, 'a rate such as 500kbit or 50mbit');
  return rate;
}

const TIME_UNITS: Readonly<Record<string, number>> = { us: 1, ms: 1e3, s: 1e6 };

/** Such as 30ms, in microseconds. */
function parseTime(key: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(us|ms|s)$/.exec(text);
  const time = match ? Number(match[1]) * TIME_UNITS[match[2]!]! : -1;
  if (time < 0 || time > 10e6) throw bad(key, text, 'a time up to 10s such as 30ms');
  return time;
}

/** Such as 0.1% or 0.001. */
function parseShare(key: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text);
  const share = match ? Number(match[1]) / (match[2] ? 100 : 1) : -1;
  if (share < 0 || share > 1) throw bad(key, text, 'a share such as 0.1%');
  return share;
}

const OCTET_UNITS: Readonly<Record<string, number>> = { '': 1, k: 1 << 10, m: 1 << 20 };

function parseOctets(text: string): number {
  const match = /^(\d+)([km]?)$/i.exec(text);
  const octets = match ? Number(match[1]) * OCTET_UNITS[match[2]!.toLowerCase()]! : 0;
  if (octets < 1500 || octets > 64 << 20) throw bad('queue', text, 'octets such as 64k, 1500 to 64m');
  return octets;
}

/** `burst-loss=1%:20%`: into bursts and out of them, a packet each; within one everything is lost, or the third share. */
function parseBurst(text: string): LossSpec {
  const [toBad, toGood, lossBad = '100%', lossGood = '0%', ...rest] = text.split(':');
  if (toGood === undefined || rest.length)
    throw bad('burst-loss', text, 'TO_BAD:TO_GOOD[:LOSS_BAD[:LOSS_GOOD]]');
  const share = (value: string): number => parseShare('burst-loss', value);
  const spec = {
    toBad: share(toBad!),
    toGood: share(toGood),
    lossBad: share(lossBad),
    lossGood: share(lossGood),
  };
  if (!spec.toGood) throw bad('burst-loss', text, 'a way out of the burst');
  return { model: 'gilbert-elliott', ...spec };
}

function readTrace(file: string, read: (file: string) => string): Trace {
  let text: string;
  try {
    text = read(file);
  } catch (error) {
    throw new TunloomError('BAD_TRACE', `${file}: ${(error as Error).message}`, { cause: error });
  }
  return parseTrace(text, file);
}

/** One line about a link, for reports. */
export function describeLink({ rate, trace, delay, jitter, loss }: LinkSpec): string {
  const parts = [
    trace ? 'trace' : rate === null ? 'no rate limit' : `${rate / 1e6} Mbit/s`,
    `${delay / 1000} ms`,
    ...(jitter ? [`jitter ${jitter / 1000} ms`] : []),
    ...(loss.model === 'random' ? [`loss ${loss.probability * 100} %`] : []),
    ...(loss.model === 'gilbert-elliott' ? ['loss in bursts'] : []),
  ];
  return parts.join(', ');
}
