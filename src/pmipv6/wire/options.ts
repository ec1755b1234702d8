/**
 * The options behind a message's fixed part: the walk over type-length-value, padding, unknown and malformed options
 * (RFC 6275 §6.2). What each option looks like is in option/.
 */
import { BadValue, hex, OctetReader, type OctetWriter } from './octets.ts';
import type { OptionCodec } from './option-codec.ts';
import { accessNetworkIdentifier } from './option/access-network-identifier.ts';
import { accessTechnologyType } from './option/access-technology-type.ts';
import { alternateCareOfAddress, linkLocalAddress } from './option/address-options.ts';
import { authentication } from './option/authentication.ts';
import { bindingIdentifier } from './option/binding-identifier.ts';
import { delegatedMobileNetworkPrefix } from './option/delegated-mobile-network-prefix.ts';
import { flowIdentification } from './option/flow-identification.ts';
import { flowSummary } from './option/flow-summary.ts';
import { greKey } from './option/gre-key.ts';
import { handoffIndicator } from './option/handoff-indicator.ts';
import { homeNetworkPrefix } from './option/home-network-prefix.ts';
import {
  ipv4DefaultRouter,
  ipv4DhcpSupport,
  ipv4HomeAddressReply,
  ipv4HomeAddressRequest,
} from './option/ipv4-home-address.ts';
import { lmaControlledMagParameters } from './option/lma-controlled-mag-parameters.ts';
import { lmaUserPlaneAddress } from './option/lma-user-plane-address.ts';
import { magIdentifier } from './option/mag-identifier.ts';
import { magMultipathBinding } from './option/mag-multipath-binding.ts';
import { mnIdentifier } from './option/mn-identifier.ts';
import { mnLinkLayerIdentifier } from './option/mn-link-layer-identifier.ts';
import { mobileNodeGroup } from './option/mobile-node-group.ts';
import { natDetection } from './option/nat-detection.ts';
import { qualityOfService } from './option/quality-of-service.ts';
import { restartCounter } from './option/restart-counter.ts';
import { serviceSelection } from './option/service-selection.ts';
import { timestamp } from './option/timestamp.ts';
import { vendorSpecific } from './option/vendor-specific.ts';
import { TunloomError } from '../../errors.ts';

const CODECS = [
  alternateCareOfAddress,
  mnIdentifier,
  authentication,
  vendorSpecific,
  serviceSelection,
  homeNetworkPrefix,
  handoffIndicator,
  accessTechnologyType,
  mnLinkLayerIdentifier,
  linkLocalAddress,
  timestamp,
  restartCounter,
  natDetection,
  greKey,
  bindingIdentifier,
  ipv4HomeAddressRequest,
  ipv4HomeAddressReply,
  ipv4DefaultRouter,
  ipv4DhcpSupport,
  flowSummary,
  flowIdentification,
  mobileNodeGroup,
  accessNetworkIdentifier,
  delegatedMobileNetworkPrefix,
  qualityOfService,
  lmaUserPlaneAddress,
  lmaControlledMagParameters,
  magMultipathBinding,
  magIdentifier,
] as const;

/** An option of a type that this codec does not know: skipped by receivers, kept as it is. */
export interface UnknownOption {
  readonly option: 'unknown';
  readonly type: number;
  readonly data: Uint8Array;
}

/** An option of a known type whose value does not have the form of that type. */
export interface MalformedOption {
  readonly option: 'malformed';
  readonly type: number;
  readonly data: Uint8Array;
  readonly reason: string;
}

type KnownOption = ReturnType<(typeof CODECS)[number]['decode']>;
export type MobilityOption = KnownOption | UnknownOption | MalformedOption;
export type OptionName = MobilityOption['option'];
/** The option of a name: `OptionOf<'gre-key'>`. */
export type OptionOf<N extends OptionName> = Extract<MobilityOption, { readonly option: N }>;

type AnyCodec = OptionCodec<KnownOption>;
const byType = new Map<number, AnyCodec>();
const byName = new Map<string, AnyCodec>();
for (const codec of CODECS as readonly unknown[] as readonly AnyCodec[]) {
  byType.set(codec.type, codec);
  byName.set(codec.option, codec);
}

const PAD1 = 0;
const PADN = 1;

/** The first option of that name. */
export function findOption<N extends OptionName>(
  options: readonly MobilityOption[],
  name: N,
): OptionOf<N> | undefined {
  for (const option of options) if (option.option === name) return option as OptionOf<N>;
  return undefined;
}

/** All options of that name, in order. */
export function findOptions<N extends OptionName>(
  options: readonly MobilityOption[],
  name: N,
): OptionOf<N>[] {
  return options.filter((option) => option.option === name) as OptionOf<N>[];
}

/** Reads options from `offset` to the end of the message. Throws BadValue, with the offset, if one runs past the end. */
export function decodeOptions(message: Uint8Array, offset: number): MobilityOption[] {
  const options: MobilityOption[] = [];
  let at = offset;
  while (at < message.length) {
    const type = message[at]!;
    if (type === PAD1) {
      at += 1;
      continue;
    }
    const end = at + 2 + (message[at + 1] ?? 0);
    if (at + 2 > message.length || end > message.length) {
      throw new OptionOverrun(at, `option ${type} at octet ${at} runs past the end of the message`);
    }
    if (type !== PADN) options.push(decodeOption(type, message, at + 2, end));
    at = end;
  }
  return options;
}

export class OptionOverrun extends BadValue {
  readonly offset: number;

  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

function decodeOption(type: number, message: Uint8Array, start: number, end: number): MobilityOption {
  const codec = byType.get(type);
  if (!codec) return { option: 'unknown', type, data: message.slice(start, end) };
  try {
    const value = new OctetReader(message, start, end);
    const option = codec.decode(value);
    if (value.left === 0) return option;
    throw new BadValue(`${value.left} octets too many`);
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    return { option: 'malformed', type, data: message.slice(start, end), reason: error.message };
  }
}

/** Writes options at their alignment, with the least padding, and pads the message to a multiple of 8. */
export function encodeOptions(options: readonly MobilityOption[], writer: OctetWriter): void {
  for (const option of options) {
    if (option.option === 'unknown' || option.option === 'malformed') {
      writeOption(writer, option.type, () => writer.octets(option.data));
      continue;
    }
    const codec = byName.get(option.option)!;
    const [multiple, remainder] =
      typeof codec.alignment === 'function' ? codec.alignment(option) : codec.alignment;
    pad(writer, (((remainder - writer.length) % multiple) + multiple) % multiple);
    writeOption(writer, codec.type, () => codec.encode(option, writer));
  }
  pad(writer, (8 - (writer.length % 8)) % 8);
}

function writeOption(writer: OctetWriter, type: number, value: () => void): void {
  writer.u8(type);
  const length = writer.length;
  writer.u8(0);
  value();
  const octets = writer.length - length - 1;
  if (octets > 255)
    throw new TunloomError('BAD_FIELD', `option ${type} of ${octets} octets, at most 255 fit`);
  writer.patch8(length, octets);
}

function pad(writer: OctetWriter, octets: number): void {
  if (octets === 1) writer.u8(PAD1);
  else if (octets) {
    writer.u8(PADN);
    writer.u8(octets - 2);
    writer.zeros(octets - 2);
  }
}

/** One option in words: `gre-key 0x11111111`. */
export function describeOption(option: MobilityOption): string {
  if (option.option === 'unknown') return `unknown option ${option.type} 0x${hex(option.data)}`;
  if (option.option === 'malformed') {
    return `malformed ${byType.get(option.type)?.option ?? `option ${option.type}`} (${option.reason}) 0x${hex(option.data)}`;
  }
  return `${option.option} ${byName.get(option.option)!.describe(option)}`;
}
