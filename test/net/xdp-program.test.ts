/** Our XDP program, run by the kernel on single frames (BPF_PROG_TEST_RUN): only whole packets of known flows are taken. Needs root. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  MapType,
  assembleEbpf,
  createMap,
  loadXdpProgram,
  setMapEntry,
  testXdpProgram,
} from '../../src/net/ebpf.ts';
import { close, socket } from '../../src/net/libc.ts';
import { ENDPOINT_NUMBER, FLOW_KEY, flowKeyOf, xdpProgram } from '../../src/net/xdp-program.ts';

const PASS = 2;
const REDIRECT = 4;
const AF_XDP = 44;
const SOCK_RAW = 3;
const OWN = Uint8Array.of(2, 0, 0, 0, 0, 1);
const REMOTE = Uint8Array.of(198, 51, 100, 1);
const LOCAL = Uint8Array.of(198, 51, 100, 2);
const GRE = 47;

const opened: number[] = [];
let program: number;

beforeAll(() => {
  const flows = createMap(MapType.HASH, FLOW_KEY, ENDPOINT_NUMBER, 8);
  const sockets = createMap(MapType.SOCKETS, 4, 4, 1);
  const xdp = socket(AF_XDP, SOCK_RAW, 0);
  setMapEntry(flows, flowKeyOf(REMOTE, LOCAL, GRE), Uint8Array.of(7, 0, 0, 0));
  setMapEntry(sockets, new Uint8Array(4), new Uint8Array(Uint32Array.of(xdp).buffer));
  program = loadXdpProgram(xdpProgram(OWN, flows, sockets));
  opened.push(flows, sockets, xdp, program);
});

afterAll(() => {
  for (const fd of opened) close(fd);
});

interface FrameParts {
  readonly to?: Uint8Array;
  readonly etherType?: readonly [number, number];
  readonly first?: number;
  readonly fragment?: readonly [number, number];
  readonly protocol?: number;
  readonly source?: Uint8Array;
  readonly destination?: Uint8Array;
}

function frameOf(parts: FrameParts): Uint8Array {
  const { to = OWN, etherType = [8, 0], first = 0x45, fragment = [0x40, 0], protocol = GRE } = parts;
  const { source = REMOTE, destination = LOCAL } = parts;
  const header = [first, 0, 0, 60, 0, 0, ...fragment, 64, protocol, 0, 0, ...source, ...destination];
  return Uint8Array.of(...to, 2, 0, 0, 0, 0, 9, ...etherType, ...header, ...new Uint8Array(40));
}

test.each<[string, FrameParts, number]>([
  ['a packet of a known flow', {}, REDIRECT],
  ['the same without DF', { fragment: [0, 0] }, REDIRECT],
  ['another link-layer address', { to: Uint8Array.of(2, 0, 0, 0, 0, 2) }, PASS],
  ['another link-layer address, first octets', { to: Uint8Array.of(3, 0, 0, 0, 0, 1) }, PASS],
  ['broadcast', { to: new Uint8Array(6).fill(255) }, PASS],
  ['IPv6', { etherType: [0x86, 0xdd], first: 0x60 }, PASS],
  ['ARP', { etherType: [8, 6] }, PASS],
  ['options', { first: 0x46 }, PASS],
  ['a first fragment', { fragment: [0x20, 0] }, PASS],
  ['a later fragment', { fragment: [0, 1] }, PASS],
  ['a far fragment', { fragment: [0x1f, 0] }, PASS],
  ['another protocol', { protocol: 4 }, PASS],
  ['another source', { source: Uint8Array.of(198, 51, 100, 3) }, PASS],
  ['another destination', { destination: Uint8Array.of(198, 51, 100, 3) }, PASS],
  ['both addresses exchanged', { source: LOCAL, destination: REMOTE }, PASS],
])('%s', (_, parts, verdict) => {
  expect(testXdpProgram(program, frameOf(parts))).toBe(verdict);
});

test('a frame that ends within its headers', () => {
  expect(testXdpProgram(program, frameOf({}).slice(0, 34))).toBe(REDIRECT);
  // The kernel runs no shorter frames than 14 octets.
  for (let length = 14; length < 34; length++) {
    expect(testXdpProgram(program, frameOf({}).slice(0, length))).toBe(PASS);
  }
});

test('a label that is not there', () => {
  expect(() => assembleEbpf([{ code: 0x05, target: 'nowhere' }])).toThrow(RangeError);
});
