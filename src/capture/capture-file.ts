/**
 * Capture files: pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng), in either byte order, to frames.
 */
import { TunloomError } from '../errors.ts';

/** One captured frame. */
export interface Frame {
  /** From 1, as other tools count. */
  readonly number: number;
  /** Seconds since 1970 UTC; null where the file has none. */
  readonly time: number | null;
  /** LINKTYPE_ number of the interface. */
  readonly linkType: number;
  readonly octets: Uint8Array;
  /** Octets on the wire; more than `octets` has if the capture cut the frame. */
  readonly originalLength: number;
}

const PCAP_MICRO = 0xa1b2c3d4;
const PCAP_NANO = 0xa1b23c4d;
const SECTION_HEADER = 0x0a0d0d0a;
const BYTE_ORDER = 0x1a2b3c4d;
const INTERFACE_DESCRIPTION = 1;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
const OPTION_TSRESOL = 9;

/**
 * Frames of a capture, one after the other. Throws BAD_CAPTURE, naming the octet, where the file ends early or is none;
 * every frame before that has been given by then.
 */
export function* readCapture(file: Uint8Array): Generator<Frame> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < 4) throw damaged(0, 'neither pcap nor pcapng: less than 4 octets');
  const big = view.getUint32(0);
  const little = view.getUint32(0, true);
  if (big === SECTION_HEADER) yield* readPcapng(file, view);
  else if (big === PCAP_MICRO || big === PCAP_NANO) yield* readPcap(file, view, false, big === PCAP_NANO);
  else if (little === PCAP_MICRO || little === PCAP_NANO)
    yield* readPcap(file, view, true, little === PCAP_NANO);
  else throw damaged(0, `neither pcap nor pcapng: it starts with 0x${big.toString(16).padStart(8, '0')}`);
}

function* readPcap(file: Uint8Array, view: DataView, little: boolean, nano: boolean): Generator<Frame> {
  if (file.length < 24) throw damaged(file.length, 'pcap header is cut off');
  // The upper bits tell about the frame check sequence.
  const linkType = view.getUint32(20, little) & 0x03ff_ffff;
  let number = 0;
  for (let at = 24; at < file.length;) {
    if (at + 16 > file.length) throw damaged(at, 'record header is cut off');
    const seconds = view.getUint32(at, little);
    const fraction = view.getUint32(at + 4, little) / (nano ? 1e9 : 1e6);
    const captured = view.getUint32(at + 8, little);
    const originalLength = view.getUint32(at + 12, little);
    const start = at + 16;
    if (start + captured > file.length) throw damaged(at, `record of ${captured} octets is cut off`);
    const octets = file.subarray(start, start + captured);
    yield { number: ++number, time: seconds + fraction, linkType, octets, originalLength };
    at = start + captured;
  }
}

interface Interface {
  readonly linkType: number;
  readonly snapLength: number;
  /** Ticks a second. */
  readonly resolution: number;
}

function* readPcapng(file: Uint8Array, view: DataView): Generator<Frame> {
  let little = true;
  let interfaces: Interface[] = [];
  let number = 0;
  for (let at = 0; at < file.length;) {
    if (at + 12 > file.length) throw damaged(at, 'block is cut off');
    if (view.getUint32(at) === SECTION_HEADER) {
      if (view.getUint32(at + 8) === BYTE_ORDER) little = false;
      else if (view.getUint32(at + 8, true) === BYTE_ORDER) little = true;
      else throw damaged(at + 8, 'section header has no byte-order magic');
      interfaces = [];
    }
    const type = view.getUint32(at, little);
    const length = view.getUint32(at + 4, little);
    if (length < 12 || length % 4) throw damaged(at + 4, `block of ${length} octets`);
    if (at + length > file.length) throw damaged(at, `block of ${length} octets is cut off`);
    const end = at + length - 4;
    if (type === INTERFACE_DESCRIPTION) {
      interfaces.push(readInterface(view, at, end, little));
    } else if (type === ENHANCED_PACKET) {
      if (length < 32) throw damaged(at + 4, `packet block of ${length} octets`);
      const { linkType, resolution } = interfaceOf(interfaces, view.getUint32(at + 8, little), at);
      const ticks = view.getUint32(at + 12, little) * 2 ** 32 + view.getUint32(at + 16, little);
      const captured = view.getUint32(at + 20, little);
      const originalLength = view.getUint32(at + 24, little);
      if (at + 28 + captured > end) throw damaged(at + 20, `packet of ${captured} octets leaves its block`);
      const octets = file.subarray(at + 28, at + 28 + captured);
      yield { number: ++number, time: ticks / resolution, linkType, octets, originalLength };
    } else if (type === SIMPLE_PACKET) {
      if (length < 16) throw damaged(at + 4, `packet block of ${length} octets`);
      const { linkType, snapLength } = interfaceOf(interfaces, 0, at);
      const originalLength = view.getUint32(at + 8, little);
      const captured = Math.min(originalLength, snapLength || originalLength, end - at - 12);
      const octets = file.subarray(at + 12, at + 12 + captured);
      yield { number: ++number, time: null, linkType, octets, originalLength };
    }
    at += length;
  }
}

function interfaceOf(interfaces: readonly Interface[], index: number, at: number): Interface {
  const found = interfaces[index];
  if (!found) throw damaged(at, `packet of interface ${index}, which no block describes`);
  return found;
}

function readInterface(view: DataView, at: number, end: number, little: boolean): Interface {
  if (at + 16 > end) throw damaged(at, 'interface description is too short');
  let resolution = 1e6;
  for (let option = at + 16; option + 4 <= end;) {
    const code = view.getUint16(option, little);
    const length = view.getUint16(option + 2, little);
    if (code === 0) break;
    if (code === OPTION_TSRESOL && length === 1 && option + 4 < end) {
      const value = view.getUint8(option + 4);
      resolution = value & 0x80 ? 2 ** (value & 0x7f) : 10 ** value;
    }
    option += 4 + Math.ceil(length / 4) * 4;
  }
  return {
    linkType: view.getUint16(at + 8, little),
    snapLength: view.getUint32(at + 12, little),
    resolution,
  };
}

function damaged(offset: number, what: string): TunloomError {
  return new TunloomError('BAD_CAPTURE', `octet ${offset}: ${what}`);
}
