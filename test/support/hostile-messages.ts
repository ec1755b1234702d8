/** What the tests of hostile messages share: octets of well-formed messages to mutate, chance that repeats itself, reading that may refuse. */
import { readdirSync, readFileSync } from 'node:fs';
import { signalingPacketOf } from '../../src/capture/signaling-packet.ts';
import { DecodeError, decodeMessage, type Message } from '../../src/pmipv6/wire/mobility-header.ts';

const FOLDER = new URL('../vectors/rfc8278/', import.meta.url);

/** The messages of RFC 8278's vectors. */
export const vectorMessages: readonly Uint8Array[] = readdirSync(FOLDER)
  .filter((file) => /^0[1-5].*\.hex$/.test(file))
  .map((file) => Buffer.from(readFileSync(new URL(file, FOLDER), 'utf8').trim(), 'hex'))
  .map((packet) => Uint8Array.from(signalingPacketOf(Uint8Array.from(packet))!.octets));

/** xorshift32: the same on every machine. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** A message, or undefined if the octets are refused as they may be; anything else that is thrown is a fault. */
export function readMessage(octets: Uint8Array): Message | undefined {
  try {
    return decodeMessage(octets);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
