/**
 * Our program in front of the kernel's stack (XDP): packets of known pairs of addresses and protocols go to AF_XDP sockets, with the number
 * of their endpoint in front of them (metadata); everything else goes on as if it were not there. What is not a whole IPv4
 * packet without options to the interface's own link-layer address belongs to everything else: fragments are the kernel's business.
 */
import { Code, type EbpfLine, Helper, assembleEbpf } from './ebpf.ts';

const XDP_PASS = 2;
/** Octets of an Ethernet and an IPv4 header, and where fields are in them. */
const HEADERS = 34;
const DESTINATION = 0;
const ETHER_TYPE = 12;
const VERSION = 14;
const FRAGMENT = 20;
const PROTOCOL = 23;
const SOURCE_IP = 26;
const DESTINATION_IP = 30;
// struct xdp_md.
const DATA = 0;
const DATA_END = 4;
const DATA_META = 8;
const RECEIVE_QUEUE = 16;

/** Octets of a flow's key and of an endpoint's number, as the program looks them up. */
export const FLOW_KEY = 12;
export const ENDPOINT_NUMBER = 4;

/** The key of packets from `remote` to `local`: 4 octets each, network order, and the protocol. */
export function flowKeyOf(remote: Uint8Array, local: Uint8Array, protocol: number): Uint8Array {
  const key = new Uint8Array(FLOW_KEY);
  key.set(remote.subarray(0, 4));
  key.set(local.subarray(0, 4), 4);
  key[8] = protocol;
  return key;
}

/** `flows`: a map from FLOW_KEY to endpoints; `sockets`: a map from receive queues to AF_XDP sockets; descriptors of both. */
export function xdpProgram(address: Uint8Array, flows: number, sockets: number): Uint8Array {
  const own = new DataView(address.buffer, address.byteOffset, 6);
  const pass = 'pass';
  const lines: EbpfLine[] = [
    { code: Code.MOVE, to: 6, from: 1 },
    { code: Code.LOAD_WORD, to: 2, from: 1, offset: DATA },
    { code: Code.LOAD_WORD, to: 3, from: 1, offset: DATA_END },
    { code: Code.MOVE, to: 4, from: 2 },
    { code: Code.ADD, to: 4, value: HEADERS },
    { code: Code.JUMP_GREATER, to: 4, from: 3, target: pass },
    { code: Code.LOAD_WORD, to: 5, from: 2, offset: DESTINATION },
    { code: Code.JUMP_DIFFERENT_WORD, to: 5, value: own.getUint32(0, true), target: pass },
    { code: Code.LOAD_HALF, to: 5, from: 2, offset: DESTINATION + 4 },
    { code: Code.JUMP_DIFFERENT, to: 5, value: own.getUint16(4, true), target: pass },
    // In the byte order of the machine: 0x0800, and 0x3fff (more fragments, offset).
    { code: Code.LOAD_HALF, to: 5, from: 2, offset: ETHER_TYPE },
    { code: Code.JUMP_DIFFERENT, to: 5, value: 0x0008, target: pass },
    { code: Code.LOAD_BYTE, to: 5, from: 2, offset: VERSION },
    { code: Code.JUMP_DIFFERENT, to: 5, value: 0x45, target: pass },
    { code: Code.LOAD_HALF, to: 5, from: 2, offset: FRAGMENT },
    { code: Code.AND, to: 5, value: 0xff3f },
    { code: Code.JUMP_DIFFERENT, to: 5, value: 0, target: pass },
    { code: Code.LOAD_WORD, to: 5, from: 2, offset: SOURCE_IP },
    { code: Code.STORE_WORD, to: 10, from: 5, offset: -FLOW_KEY },
    { code: Code.LOAD_WORD, to: 5, from: 2, offset: DESTINATION_IP },
    { code: Code.STORE_WORD, to: 10, from: 5, offset: 4 - FLOW_KEY },
    { code: Code.LOAD_BYTE, to: 5, from: 2, offset: PROTOCOL },
    { code: Code.STORE_WORD, to: 10, from: 5, offset: 8 - FLOW_KEY },
    { code: Code.LOAD_MAP, to: 1, value: flows },
    { code: Code.MOVE, to: 2, from: 10 },
    { code: Code.ADD, to: 2, value: -FLOW_KEY },
    { code: Code.CALL, value: Helper.LOOK_UP },
    { code: Code.JUMP_EQUAL, to: 0, value: 0, target: pass },
    { code: Code.LOAD_WORD, to: 7, from: 0 },
    { code: Code.MOVE, to: 1, from: 6 },
    { code: Code.SET, to: 2, value: -ENDPOINT_NUMBER },
    { code: Code.CALL, value: Helper.ADJUST_META },
    { code: Code.JUMP_DIFFERENT, to: 0, value: 0, target: pass },
    { code: Code.LOAD_WORD, to: 2, from: 6, offset: DATA_META },
    { code: Code.LOAD_WORD, to: 3, from: 6, offset: DATA },
    { code: Code.MOVE, to: 4, from: 2 },
    { code: Code.ADD, to: 4, value: ENDPOINT_NUMBER },
    { code: Code.JUMP_GREATER, to: 4, from: 3, target: pass },
    { code: Code.STORE_WORD, to: 2, from: 7 },
    // A queue without socket: on to the kernel.
    { code: Code.LOAD_MAP, to: 1, value: sockets },
    { code: Code.LOAD_WORD, to: 2, from: 6, offset: RECEIVE_QUEUE },
    { code: Code.SET, to: 3, value: XDP_PASS },
    { code: Code.CALL, value: Helper.REDIRECT_MAP },
    { code: Code.EXIT },
    pass,
    { code: Code.SET, to: 0, value: XDP_PASS },
    { code: Code.EXIT },
  ];
  return assembleEbpf(lines);
}
