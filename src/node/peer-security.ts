/** Which peers share a key with us, and what becomes of a message under that rule (docs/security.md). */
import { type Prefix, mapped16, parseAddress, parsePrefix, prefixContains } from '../ip.ts';
import {
  type SecurityAssociation,
  addAuthentication,
  checkAuthentication,
} from '../pmipv6/authentication.ts';
import { type Endpoint, endpointKey } from '../pmipv6/endpoint.ts';
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
  /** `identity`: the MAG Identifier that the key stands for; null: it stands for an address only, or there is none. */
  | { readonly verdict: 'accepted'; readonly identity: string | null }
  | {
      readonly verdict:
        'absent' | 'unknown-spi' | 'wrong' | 'replayed' | 'stale' | 'untimed' | 'foreign-identity';
    };

const NO_KEY: SecurityVerdict = { verdict: 'accepted', identity: null };

/** More peers than this that could use several keys are not remembered; the longest silent one goes. */
const MOST_REMEMBERED = 65_536;

export class PeerSecurity {
  readonly #keys: readonly { readonly prefix: Prefix; readonly key: PeerKey }[];
  readonly #role: 'mag' | 'lma';
  readonly #guard: ReplayGuard;
  /** LMA: SPI that a peer has used last, by its end of the signaling: MAGs of unknown addresses can only be told apart by their keys. */
  readonly #spis: Map<string, number>;

  /** `window`: milliseconds that the clocks of both ends may be apart. `before`: whose memory of the peers' keys and messages goes on. */
  constructor(role: 'mag' | 'lma', keys: readonly PeerKey[], window: number, before?: PeerSecurity) {
    this.#role = role;
    this.#spis = before ? before.#spis : new Map();
    this.#keys = keys.map((key) => ({ prefix: parsePrefix(key.prefix), key }));
    this.#guard = new ReplayGuard(window, before ? before.#guard : undefined);
  }

  /** Judges a message that decoded well. Peers without a key need none; peers with one have to use it in every message. */
  check(message: Message, octets: Uint8Array, ends: PacketEnds, utc: number): SecurityVerdict {
    const keys = this.#keysOf(ends.remote.address);
    if (!keys.length) return NO_KEY;
    const at = optionsOffset(octets);
    if (at === null) return { verdict: 'absent' };
    const result = checkAuthentication(
      octets,
      at,
      this.#careOf(ends),
      (spi) => keys.find((key) => key.spi === spi)?.key,
    );
    if (result.verdict !== 'valid') return { verdict: result.verdict };
    const identity = keys.find((key) => key.spi === result.spi)?.identity ?? null;
    const named = findOption(message.options, 'mag-identifier');
    if (identity !== null && named && identifierText(named) !== identity) {
      return { verdict: 'foreign-identity' };
    }
    const verdict = this.#guard.judge(message, result.authenticator, utc);
    if (verdict !== 'fresh') return { verdict };
    if (this.#role === 'lma' && keys.length > 1) this.useKey(ends.remote, result.spi);
    return { verdict: 'accepted', identity };
  }

  /** Whether a message to this peer has to be authenticated: then it needs a time of its own. */
  timed<M extends Message>(message: M, remote: string, utc: number): M {
    return this.#keysOf(remote).length ? withTime(message, utc) : message;
  }

  /** The octets with the key that the peer has used last, else its first one, on them; as they are if it has none. */
  protect(octets: Uint8Array, ends: PacketEnds): Uint8Array {
    const keys = this.#keysOf(ends.remote.address);
    const spi = keys.length > 1 ? this.#spis.get(endpointKey(ends.remote)) : undefined;
    const key = keys.find((one) => one.spi === spi) ?? keys[0];
    return key ? addAuthentication(octets, key, this.#careOf(ends)) : octets;
  }

  /** LMA: SPI of the key, one of several, that the peer has used last; undefined: it is not known. */
  keyOf(remote: Endpoint): number | undefined {
    return this.#spis.get(endpointKey(remote));
  }

  /** LMA: the peer uses this key. */
  useKey(remote: Endpoint, spi: number): void {
    const key = endpointKey(remote);
    // To the young end.
    this.#spis.delete(key);
    if (this.#spis.size >= MOST_REMEMBERED) this.#spis.delete(this.#spis.keys().next().value!);
    this.#spis.set(key, spi);
  }

  #keysOf(address: string): PeerKey[] {
    if (!this.#keys.length) return [];
    const { bytes } = parseAddress(address);
    return this.#keys.flatMap(({ prefix, key }) => (prefixContains(prefix, bytes) ? [key] : []));
  }

  /** The MAG's address; over UDP a NAT may have changed it, so it is left out. */
  #careOf({ local, remote }: PacketEnds): Uint8Array {
    if (remote.port !== null) return new Uint8Array(16);
    return mapped16(parseAddress(this.#role === 'mag' ? local : remote.address));
  }
}

/** Our address and the peer's end of a packet. */
export interface PacketEnds {
  readonly local: string;
  readonly remote: Endpoint;
}
