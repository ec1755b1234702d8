/** Which peers share a key with us, and what becomes of a message under that rule (docs/security.md). */
import { type Prefix, mapped16, parseAddress, parsePrefix } from '../ip.ts';
import {
  type SecurityAssociation,
  addAuthentication,
  checkAuthentication,
} from '../pmipv6/authentication.ts';
import { ReplayGuard, withTime } from '../pmipv6/replay.ts';
import { type Message, optionsOffset } from '../pmipv6/wire/mobility-header.ts';
import { identifierText } from '../pmipv6/wire/option/identifier.ts';
import { findOption } from '../pmipv6/wire/options.ts';

/** One key, and for whom. */
export interface PeerKey extends SecurityAssociation {
  /** Addresses of the peer. */
  readonly prefix: string;
  /** MAG Identifier that may be used with this key; null: any. */
  readonly identity: string | null;
}

export type SecurityVerdict =
  'accepted' | 'absent' | 'unknown-spi' | 'wrong' | 'replayed' | 'stale' | 'untimed' | 'foreign-identity';

export class PeerSecurity {
  readonly #keys: readonly { readonly prefix: Prefix; readonly key: PeerKey }[];
  readonly #role: 'mag' | 'lma';
  readonly #guard: ReplayGuard;

  /** `window`: milliseconds that the clocks of both ends may be apart. */
  constructor(role: 'mag' | 'lma', keys: readonly PeerKey[], window: number) {
    this.#role = role;
    this.#keys = keys.map((key) => ({ prefix: parsePrefix(key.prefix), key }));
    this.#guard = new ReplayGuard(window);
  }

  /** Judges a message that decoded well. Peers without a key need none; peers with one have to use it in every message. */
  check(message: Message, octets: Uint8Array, ends: PacketEnds, utc: number): SecurityVerdict {
    const keys = this.#keysOf(ends.remote);
    if (!keys.length) return 'accepted';
    const at = optionsOffset(octets);
    if (at === null) return 'absent';
    const result = checkAuthentication(
      octets,
      at,
      this.#careOf(ends),
      (spi) => keys.find((key) => key.spi === spi)?.key,
    );
    if (result.verdict !== 'valid') return result.verdict;
    const allowed = keys.find((key) => key.spi === result.spi)?.identity ?? null;
    const identity = findOption(message.options, 'mag-identifier');
    if (allowed !== null && identity && identifierText(identity) !== allowed) return 'foreign-identity';
    const verdict = this.#guard.judge(message, result.authenticator, utc);
    return verdict === 'fresh' ? 'accepted' : verdict;
  }

  /** Whether a message to this peer has to be authenticated: then it needs a time of its own. */
  timed<M extends Message>(message: M, remote: string, utc: number): M {
    return this.#keysOf(remote).length ? withTime(message, utc) : message;
  }

  /** The octets with the peer's first key on them, or as they are if it has none. */
  protect(octets: Uint8Array, ends: PacketEnds): Uint8Array {
    const [key] = this.#keysOf(ends.remote);
    return key ? addAuthentication(octets, key, this.#careOf(ends)) : octets;
  }

  #keysOf(address: string): PeerKey[] {
    if (!this.#keys.length) return [];
    const { family, bytes } = parseAddress(address);
    return this.#keys.flatMap(({ prefix, key }) =>
      prefix.family === family && isWithin(bytes, prefix) ? [key] : [],
    );
  }

  /** The MAG's address; over UDP a NAT may have changed it, so it is left out. */
  #careOf({ local, remote, udp }: PacketEnds): Uint8Array {
    if (udp) return new Uint8Array(16);
    return mapped16(parseAddress(this.#role === 'mag' ? local : remote));
  }
}

/** The two addresses of a packet, and whether it is UDP. */
export interface PacketEnds {
  readonly local: string;
  readonly remote: string;
  readonly udp: boolean;
}

function isWithin(address: Uint8Array, { bytes, length }: Prefix): boolean {
  for (let bit = 0; bit < length; bit += 8) {
    const mask = length - bit >= 8 ? 0xff : (0xff00 >> (length - bit)) & 0xff;
    if ((address[bit >> 3]! ^ bytes[bit >> 3]!) & mask) return false;
  }
  return true;
}
