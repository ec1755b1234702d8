/** Pools of prefixes of one length: each is given to one holder at a time (RFC 5213 §5.3.2). */
import { formatAddress, parsePrefix, prefixCovers, type Prefix } from '../../ip.ts';

function toNumber(bytes: Uint8Array): bigint {
  return bytes.reduce((value, octet) => (value << 8n) | BigInt(octet), 0n);
}

function toText(value: bigint, octets: number): string {
  const bytes = new Uint8Array(octets);
  for (let i = octets - 1, rest = value; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 255n);
  return formatAddress(bytes);
}

/** While no more prefixes than these rest, new ones are given out if there are any. */
const MOST_RESTING = 4096;

/** One pool, cut into prefixes of `length` bits. */
export class PrefixPool {
  private readonly pool: Prefix;
  private readonly base: bigint;
  private readonly shift: bigint;
  private readonly size: bigint;
  private readonly length: number;
  readonly v4: boolean;
  /** Everything in use anywhere, static assignments included; shared between pools. */
  private readonly inUse: ReadonlySet<string>;
  private next = 0n;
  /** Given back, oldest first, so that a prefix rests before it comes to another node. */
  private readonly returned = new Set<string>();

  /** With `skipEnds` first and last are never given out (network and broadcast addresses of IPv4). */
  constructor(pool: string, length: number, inUse: ReadonlySet<string>, skipEnds: boolean) {
    this.pool = parsePrefix(pool);
    this.length = length;
    this.v4 = this.pool.family === 4;
    this.inUse = inUse;
    const bits = this.pool.bytes.length * 8;
    this.base = toNumber(this.pool.bytes);
    this.shift = BigInt(bits - length);
    const count = 1n << BigInt(length - this.pool.length);
    this.size = skipEnds && count > 2n ? count - 1n : count;
    if (skipEnds && count > 2n) this.next = 1n;
  }

  covers(prefix: string): boolean {
    const parsed = parsePrefix(prefix);
    return parsed.length === this.length && prefixCovers(this.pool, parsed);
  }

  /** A prefix that nobody has, or null if the pool is empty. */
  choose(): string | null {
    // From a pool that lasts for years as well: what comes back has to be remembered until it is given out again.
    if (this.returned.size > MOST_RESTING) {
      const rested = this.takeRested();
      if (rested !== null) return rested;
    }
    while (this.next < this.size) {
      const prefix = `${toText(this.base + (this.next++ << this.shift), this.pool.bytes.length)}/${this.length}`;
      if (!this.inUse.has(prefix)) return prefix;
    }
    return this.takeRested();
  }

  giveBack(prefix: string): void {
    // To the young end.
    this.returned.delete(prefix);
    this.returned.add(prefix);
  }

  private takeRested(): string | null {
    for (const prefix of this.returned) {
      this.returned.delete(prefix);
      if (!this.inUse.has(prefix)) return prefix;
    }
    return null;
  }
}
