/**
 * The Mobility Message Authentication option of RFC 4285 (type 9, sub-type 1), put on and checked on whole messages as octets, so
 * that the state machines know nothing of it. src/node/signaling.ts calls this.
 *
 *   Authentication Data = First(96, HMAC_SHA1(key, care-of address | home address | MH Data))      RFC 4285 §5.1
 *
 * MH Data is the message up to and including the SPI of this option, its checksum taken as 0. RFC 4285 is about a mobile node's own
 * Binding Update; for proxy registration it leaves open what the addresses are. Here (docs/security.md): the care-of address is the
 * MAG's end of the packet, in both directions, or `::` over UDP, where a NAT may change it; the home address is `::`.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** A key that two peers share. */
export interface SecurityAssociation {
  /** Mobility SPI; 0..255 are reserved (RFC 4285 §5.1). */
  readonly spi: number;
  readonly key: Uint8Array;
}

export type AuthenticationVerdict =
  | { readonly verdict: 'valid'; readonly spi: number; readonly authenticator: string }
  | { readonly verdict: 'absent' | 'unknown-spi' | 'wrong' };

const OPTION_TYPE = 9;
const SUBTYPE_MN_HA = 1;
const AUTHENTICATOR = 12;
/** Type, length, sub-type, SPI. */
const UP_TO_SPI = 7;
const PAD1 = 0;
const PADN = 1;
/** Every message has its options behind octet 8 at the earliest; walking is done from the end of the fixed part. */
const CHECKSUM_AT = 4;
const LONGEST = 2048;
/** PadN of 5 in front brings the option (19 octets) to 8n+5, which is 4n+1 as it has to be, and the message to a multiple of 8. */
const ADDED = Uint8Array.of(PADN, 3, 0, 0, 0, OPTION_TYPE, 5 + AUTHENTICATOR, SUBTYPE_MN_HA);
const ADDED_LENGTH = 24;

/**
 * The message with the option as its last, its checksum 0. `careOf`: 16 octets. Throws RangeError for a message that would become
 * longer than a Mobility Header can be.
 */
export function addAuthentication(
  message: Uint8Array,
  { spi, key }: SecurityAssociation,
  careOf: Uint8Array,
): Uint8Array {
  const length = message.length + ADDED_LENGTH;
  if (length > LONGEST) throw new RangeError(`no room for authentication: ${length} octets`);
  const octets = new Uint8Array(length);
  octets.set(message);
  octets[1] = length / 8 - 1;
  octets[CHECKSUM_AT] = 0;
  octets[CHECKSUM_AT + 1] = 0;
  octets.set(ADDED, message.length);
  new DataView(octets.buffer).setUint32(message.length + ADDED.length, spi);
  const covered = length - AUTHENTICATOR;
  octets.set(authenticator(octets.subarray(0, covered), key, careOf), covered);
  return octets;
}

/** Checks the option, which has to be the message's last; `keyOf` gives the key of an SPI. `optionsAt`: where options start. */
export function checkAuthentication(
  message: Uint8Array,
  optionsAt: number,
  careOf: Uint8Array,
  keyOf: (spi: number) => Uint8Array | undefined,
): AuthenticationVerdict {
  const at = lastOption(message, optionsAt);
  if (at === null || message[at] !== OPTION_TYPE || message[at + 2] !== SUBTYPE_MN_HA) {
    return { verdict: 'absent' };
  }
  if (message[at + 1] !== 5 + AUTHENTICATOR) return { verdict: 'wrong' };
  const spi = new DataView(message.buffer, message.byteOffset).getUint32(at + 3);
  const key = keyOf(spi);
  if (!key) return { verdict: 'unknown-spi' };
  const covered = message.slice(0, at + UP_TO_SPI);
  covered[CHECKSUM_AT] = 0;
  covered[CHECKSUM_AT + 1] = 0;
  const given = message.subarray(at + UP_TO_SPI, at + UP_TO_SPI + AUTHENTICATOR);
  const expected = authenticator(covered, key, careOf);
  if (!timingSafeEqual(given, expected)) return { verdict: 'wrong' };
  return { verdict: 'valid', spi, authenticator: Buffer.from(expected).toString('hex') };
}

const NO_HOME_ADDRESS = new Uint8Array(16);

function authenticator(covered: Uint8Array, key: Uint8Array, careOf: Uint8Array): Uint8Array {
  const mac = createHmac('sha1', key).update(careOf).update(NO_HOME_ADDRESS).update(covered).digest();
  return mac.subarray(0, AUTHENTICATOR);
}

/** Offset of the last option that is no padding; null without options or if one overruns. */
function lastOption(message: Uint8Array, optionsAt: number): number | null {
  let last: number | null = null;
  for (let at = optionsAt; at < message.length;) {
    const type = message[at]!;
    if (type === PAD1) {
      at += 1;
      continue;
    }
    const next = at + 2 + (message[at + 1] ?? 0);
    if (at + 2 > message.length || next > message.length) return null;
    if (type !== PADN) last = at;
    at = next;
  }
  return last;
}
