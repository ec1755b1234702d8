/**
 * AF_XDP sockets (linux/if_xdp.h, Documentation/networking/af_xdp.rst) over memory of the caller's: chunks that the kernel copies frames
 * to and from, and places that its rings are mapped over. They take frames that a program on the interface gives them, and send past the
 * kernel's stack and queueing disciplines.
 */
import { bind, close, getOption, mapAnonymous, mapShared, setOption, socket } from './libc.ts';
import { SystemCallError } from './errno.ts';
import { SOCK_CLOEXEC, SOCK_RAW } from './socket-options.ts';

const AF_XDP = 44;
const SOL_XDP = 283;
const Option = {
  MMAP_OFFSETS: 1,
  RECEIVE_RING: 2,
  SEND_RING: 3,
  CHUNKS: 4,
  FILL_RING: 5,
  DONE_RING: 6,
  STATISTICS: 7,
} as const;
/** struct xdp_mmap_offsets: four structs of four u64 (producer, consumer, entries, flags). */
const OFFSETS_SIZE = 128;
/** struct xdp_statistics: six u64. */
const STATISTICS_SIZE = 48;
const XDP_COPY = 2;
/** What a ring's place has for its indices, in front of the entries. */
const PAGE = 4096;

/** A ring: where it is to be mapped (page-aligned, with a page more than the entries take), and how many entries it has. */
export interface RingPlace {
  readonly address: number;
  readonly entries: number;
}

export interface XdpSocketSpec {
  readonly index: number;
  readonly queue: number;
  readonly chunks: { readonly address: number; readonly length: number; readonly size: number };
  readonly rings: Readonly<Record<RingName, RingPlace>>;
}

export type RingName = 'receive' | 'send' | 'fill' | 'done';

/** Where in a mapped ring its parts are, in octets from its place. */
export interface RingParts {
  readonly producer: number;
  readonly consumer: number;
  readonly entries: number;
}

/** In the order of struct xdp_mmap_offsets; page offsets are XDP_PGOFF_* and XDP_UMEM_PGOFF_*. */
const RINGS: readonly { name: RingName; option: number; page: number; entry: number }[] = [
  { name: 'receive', option: Option.RECEIVE_RING, page: 0, entry: 16 },
  { name: 'send', option: Option.SEND_RING, page: 0x8000_0000, entry: 16 },
  { name: 'fill', option: Option.FILL_RING, page: 0x1_0000_0000, entry: 8 },
  { name: 'done', option: Option.DONE_RING, page: 0x1_8000_0000, entry: 8 },
];

export interface XdpSocket {
  readonly fd: number;
  readonly parts: Readonly<Record<RingName, RingParts>>;
}

/**
 * Opens a socket for one queue, in the calling thread's network namespace; nothing comes before the program knows it. Throws SystemCallError
 * (EPERM; ENOBUFS: memlock limit; EINVAL: no such queue; EBUSY: somebody has it).
 */
export function openXdpSocket(spec: XdpSocketSpec): XdpSocket {
  const fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
  try {
    // struct xdp_umem_reg: u64 address, u64 length, u32 chunk size, u32 headroom, u32 flags, u32.
    const chunks = new Uint8Array(32);
    const view = new DataView(chunks.buffer);
    view.setBigUint64(0, BigInt(spec.chunks.address), true);
    view.setBigUint64(8, BigInt(spec.chunks.length), true);
    view.setUint32(16, spec.chunks.size, true);
    set(fd, Option.CHUNKS, chunks, 'XDP_UMEM_REG');
    for (const { name, option } of RINGS) {
      set(fd, option, new Uint8Array(Uint32Array.of(spec.rings[name].entries).buffer), `${name} ring`);
    }
    const bytes = getOption(fd, SOL_XDP, Option.MMAP_OFFSETS, OFFSETS_SIZE, 'XDP_MMAP_OFFSETS');
    const offsets = new DataView(bytes.buffer, bytes.byteOffset);
    const parts = Object.fromEntries(
      RINGS.map(({ name, page, entry }, i) => {
        const [producer, consumer, entries] = [0, 8, 16].map((field) =>
          Number(offsets.getBigUint64(i * 32 + field, true)),
        ) as [number, number, number];
        mapShared(
          spec.rings[name].address,
          entries + spec.rings[name].entries * entry,
          fd,
          page,
          `${name} ring`,
        );
        return [name, { producer, consumer, entries }];
      }),
    ) as Record<RingName, RingParts>;
    // struct sockaddr_xdp: u16 family, u16 flags, u32 interface, u32 queue, u32 other descriptor.
    const address = new Uint8Array(16);
    const name = new DataView(address.buffer);
    name.setUint16(0, AF_XDP, true);
    name.setUint16(2, XDP_COPY, true);
    name.setUint32(4, spec.index, true);
    name.setUint32(8, spec.queue, true);
    bind(fd, address, address.length, `AF_XDP, interface ${spec.index}, queue ${spec.queue}`);
    return { fd, parts };
  } catch (error) {
    closeXdpSocket(fd, spec);
    throw error;
  }
}

/** Closes it, and gives the places of its rings memory of zeros. The kernel lets go of the queue a little later. */
export function closeXdpSocket(fd: number, { rings }: Pick<XdpSocketSpec, 'rings'>): void {
  close(fd);
  for (const { name, entry } of RINGS) {
    mapAnonymous(rings[name].address, PAGE + rings[name].entries * entry);
  }
}

/** Frames that found no chunk or no room in the ring (XDP_STATISTICS). */
export function xdpDrops(fd: number): number {
  const bytes = getOption(fd, SOL_XDP, Option.STATISTICS, STATISTICS_SIZE, 'XDP_STATISTICS');
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  // u64 each: dropped, two kinds of bad descriptors, ring full, fill ring empty (told by the first one too).
  return Number(view.getBigUint64(0, true)) + Number(view.getBigUint64(24, true));
}

function set(fd: number, option: number, value: Uint8Array, what: string): void {
  if (!setOption(fd, SOL_XDP, option, value, what)) throw new SystemCallError(`setsockopt(${what})`, 1);
}
