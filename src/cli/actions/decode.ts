/** What `tunloom decode` does; the command line reads it when it is wanted. */
import { readFileSync } from 'node:fs';
import { type Frame, readCapture } from '../../capture/capture-file.ts';
import { ipPacketOf, type SignalingPacket, signalingPacketOf } from '../../capture/signaling-packet.ts';
import { TunloomError } from '../../errors.ts';
import type { Endpoint } from '../../pmipv6/endpoint.ts';
import {
  DecodeError,
  decodeMessage,
  describeMessage,
  type Message,
  messageName,
  summarizeMessage,
} from '../../pmipv6/wire/mobility-header.ts';
import { hex } from '../../pmipv6/wire/octets.ts';
import type { DecodeOptions } from '../commands/decode.ts';

interface Decoded {
  /** Of the frame in its file. */
  readonly frame: number | null;
  /** Seconds since 1970 UTC. */
  readonly time: number | null;
  readonly from: Endpoint | null;
  readonly to: Endpoint | null;
  /** Also of a message with a bad checksum, if it can be read. */
  readonly message: Message | null;
  readonly error: { readonly code: string; readonly offset: number; readonly text: string } | null;
}

const PAYLOAD_PROTO_NONE = 59;

export function runDecode(file: string | undefined, options: DecodeOptions): void {
  if ((file === undefined) === (options.hex === undefined)) {
    throw new TunloomError('BAD_ARGUMENT', 'decode: name one file, or give --hex digits');
  }
  const start = { time: null as number | null };
  let refused = 0;
  for (const decoded of options.hex ? fromHex(options.hex) : fromFile(file!)) {
    if (decoded.error) refused++;
    start.time ??= decoded.time;
    process.stdout.write(`${options.json ? toJson(decoded) : toText(decoded, start.time, options)}\n`);
  }
  process.exitCode = refused ? 1 : 0;
}

function* fromFile(name: string): Generator<Decoded> {
  let octets: Uint8Array;
  try {
    octets = readFileSync(name === '-' ? 0 : name);
  } catch (error) {
    throw new TunloomError('BAD_ARGUMENT', `${name}: ${(error as Error).message}`);
  }
  try {
    for (const frame of readCapture(octets)) {
      const packet = ipPacketOf(frame.linkType, frame.octets);
      const signaling = packet && signalingPacketOf(packet);
      if (signaling) yield decoded(signaling, frame);
    }
  } catch (error) {
    if (error instanceof TunloomError) {
      throw new TunloomError(error.code, `${name === '-' ? 'standard input' : name}: ${error.message}`);
    }
    throw error;
  }
}

function* fromHex(words: readonly string[]): Generator<Decoded> {
  for (const word of words) {
    const digits = word.replace(/^0x/i, '').replace(/[\s:]/g, '');
    const wrong = digits.search(/[^0-9a-f]/i);
    if (wrong >= 0) throw new TunloomError('BAD_HEX', `--hex: "${digits[wrong]}" is no hexadecimal digit`);
    if (digits.length % 2 || !digits) {
      throw new TunloomError('BAD_HEX', `--hex: ${digits.length} digits make no whole octets`);
    }
    const octets = Uint8Array.from(Buffer.from(digits, 'hex'));
    if (octets[0] === PAYLOAD_PROTO_NONE) yield decoded(octets, null);
    else {
      const packet = signalingPacketOf(octets);
      if (!packet) {
        throw new TunloomError('BAD_HEX', '--hex: neither a Mobility Header nor an IP packet with one');
      }
      yield decoded(packet, null);
    }
  }
}

function decoded(source: SignalingPacket | Uint8Array, frame: Frame | null): Decoded {
  const bare = source instanceof Uint8Array;
  const place = {
    frame: frame?.number ?? null,
    time: frame?.time ?? null,
    from: bare ? null : source.from,
    to: bare ? null : source.to,
  };
  try {
    const message = bare ? decodeMessage(source) : decodeMessage(source.octets, source.pseudoHeader);
    return { ...place, message, error: null };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const fault = { code: error.code, offset: error.offset, text: error.message };
    // A receiver drops it; who debugs a peer wants to see what it would have said.
    const message = error.code === 'BAD_CHECKSUM' && !bare ? withoutChecksum(source.octets) : null;
    return { ...place, message, error: fault };
  }
}

function withoutChecksum(octets: Uint8Array): Message | null {
  try {
    return decodeMessage(octets);
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}

function toText(
  { frame, time, from, to, message, error }: Decoded,
  start: number | null,
  options: DecodeOptions,
) {
  const place = [
    frame === null ? '' : `${frame}`,
    time === null || start === null ? '' : `+${(time - start).toFixed(6)}`,
    from && to ? `${endpointText(from)} > ${endpointText(to)}` : '',
  ].filter(Boolean);
  const fault = error ? [`refused, ${error.code} at octet ${error.offset}: ${error.text};`] : [];
  const what = message ? [(options.verbose ? describeMessage : summarizeMessage)(message)] : [];
  return [...place, ...fault, ...what].join(' ').replace(/;$/, '');
}

function endpointText({ address, port }: Endpoint): string {
  if (port === null) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Octets as hex, 64-bit numbers as decimal text. */
function toJson(decoded: Decoded): string {
  const name = decoded.message ? messageName(decoded.message) : null;
  return JSON.stringify({ ...decoded, name }, function (this: Record<string, unknown>, key, value: unknown) {
    const raw = this[key];
    if (raw instanceof Uint8Array) return hex(raw);
    return typeof value === 'bigint' ? value.toString() : value;
  });
}
