/**
 * Filters of the sockets that tunnels run over, in classic BPF (bpf.ts, socket(7)). A filter is a search tree over the addresses of
 * known peers: what comes from anybody else is dropped in the kernel, and what comes from a peer reaches exactly one worker, always
 * the same one, so that a path stays FIFO. src/net/peer-assignment.ts says which.
 *
 * The kernel counts what the filter of a UDP socket drops together with what finds its receive buffer full (SK_MEMINFO_DROPS), so
 * strangers are led to a socket of their own. What the filter of a raw socket drops it does not count at all: one packet in
 * STRANGER_SAMPLE gets through to the hot path, which counts it.
 */
import { type Instruction, type Line, NETWORK_HEADER, Op, RANDOM, assemble, encodeProgram } from './bpf.ts';
import { addressOfBytes, setOption } from './libc.ts';

const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SO_ATTACH_REUSEPORT_CBPF = 51;

const WHOLE_PACKET = 0x40000;

/** A flood of strangers costs this much less than without a filter, and who misconfigured a peer still sees its packets. */
export const STRANGER_SAMPLE = 64;

/** A peer and the worker that its packets go to. */
export interface AssignedPeer {
  /** 4 or 16 octets, network order. */
  readonly address: Uint8Array;
  readonly worker: number;
}

/** Whom a socket or a group of sockets listens to. */
export interface Listening {
  readonly family: 4 | 6;
  readonly workers: number;
  readonly peers: readonly AssignedPeer[];
  /** There are more peers than `peers`: what comes from others goes to a worker by a hash of the addresses. */
  readonly open: boolean;
}

/**
 * Instructions that a tree over `peers` peers has at the most. The kernel takes 4,096, and charges them to net.core.optmem_max, of
 * which 20 KiB are usual.
 */
export function treeSize(family: 4 | 6, peers: number): number {
  return 1 + peers * (family === 4 ? 6 : 18);
}

/** The filter of worker `worker`'s raw socket. */
export function rawFilter(worker: number, { family, workers, peers, open }: Listening): Instruction[] {
  return assemble([
    ...peerTree(family, peers, (owner) => (owner === worker ? WHOLE_PACKET : 0)),
    ...(open
      ? ([
          ...spread(family, workers),
          [Op.IF_EQUAL, worker, 'take', 'drop'],
          'take',
          [Op.RETURN, WHOLE_PACKET],
          'drop',
        ] satisfies Line[])
      : worker === 0
        ? ([
            [Op.LOAD_WORD, RANDOM],
            [Op.IF_GREATER_EQUAL, 2 ** 32 / STRANGER_SAMPLE, 'drop', 'sample'],
            'sample',
            [Op.RETURN, WHOLE_PACKET],
            'drop',
          ] satisfies Line[])
        : []),
    [Op.RETURN, 0],
  ]);
}

/** The filter of the socket that strangers are led to. */
export function nobodyFilter(): Instruction[] {
  return assemble([[Op.RETURN, 0]]);
}

/**
 * Which socket of a UDP group (SO_REUSEPORT) gets a packet, by its place in the order of binding: those of the workers, then that of
 * strangers.
 */
export function udpSelector({ family, workers, peers, open }: Listening): Instruction[] {
  return assemble([
    ...peerTree(family, peers, (owner) => owner),
    ...(open ? ([...spread(family, workers), [Op.RETURN_A, 0]] satisfies Line[]) : []),
    [Op.RETURN, workers],
  ]);
}

/** A = a worker, by hash of source and destination address. */
function spread(family: 4 | 6, workers: number): Line[] {
  return [
    [Op.LOAD_WORD, NETWORK_HEADER + (family === 4 ? 12 : 20)],
    [Op.MULTIPLY, 3],
    [Op.STORE, 0],
    [Op.LOAD_X_SCRATCH, 0],
    [Op.LOAD_WORD, NETWORK_HEADER + (family === 4 ? 16 : 36)],
    [Op.ADD_X, 0],
    [Op.MULTIPLY, 0x9e3779b1],
    [Op.SHIFT_RIGHT, 16],
    [Op.MODULO, workers],
  ];
}

/** Returns leaf(worker) for a source address among `peers` and goes on behind the tree for all others. */
function peerTree(family: 4 | 6, peers: readonly AssignedPeer[], leaf: (worker: number) => number): Line[] {
  const words = family === 4 ? 1 : 4;
  const source = NETWORK_HEADER + (family === 4 ? 12 : 8);
  const rows = peers
    .map(({ address, worker }) => {
      const view = new DataView(address.buffer, address.byteOffset, address.length);
      return { key: Array.from({ length: words }, (_, i) => view.getUint32(i * 4)), worker };
    })
    .sort((a, b) => a.key.map((word, i) => word - b.key[i]!).find((difference) => difference) ?? 0);
  let labels = 0;
  /** `rows` from..to agree in all words before `word`; A holds that word if `loaded`. */
  const branch = (from: number, to: number, word: number, loaded: boolean): Line[] => {
    const lines: Line[] = loaded ? [] : [[Op.LOAD_WORD, source + word * 4]];
    const first = rows[from]!.key[word]!;
    if (first === rows[to - 1]!.key[word]!) {
      const n = labels++;
      lines.push(
        [Op.IF_EQUAL, first, `same${n}`, `other${n}`],
        `other${n}`,
        [Op.JUMP, 0, 'unknown'],
        `same${n}`,
      );
      const last = word === words - 1;
      return [
        ...lines,
        ...(last ? [[Op.RETURN, leaf(rows[from]!.worker)] as const] : branch(from, to, word + 1, false)),
      ];
    }
    // The first row of another value nearest to the middle.
    let middle = (from + to) >> 1;
    while (middle > from && rows[middle - 1]!.key[word] === rows[middle]!.key[word]) middle--;
    if (middle === from) while (rows[middle]!.key[word] === first) middle++;
    const n = labels++;
    return [
      ...lines,
      [Op.IF_GREATER_EQUAL, rows[middle]!.key[word]!, `high${n}`, `low${n}`],
      // A conditional branch reaches 255 instructions, a jump any number.
      `high${n}`,
      [Op.JUMP, 0, `upper${n}`],
      `low${n}`,
      ...branch(from, middle, word, true),
      `upper${n}`,
      ...branch(middle, to, word, true),
    ];
  };
  return rows.length ? [...branch(0, rows.length, 0, false), 'unknown'] : [];
}

/** Attaches a filter, in the place of one that is there (socket(7), SO_ATTACH_FILTER). Throws SystemCallError (ENOMEM). */
export function attachFilter(fd: number, program: readonly Instruction[]): void {
  attach(fd, SO_ATTACH_FILTER, program, 'SO_ATTACH_FILTER');
}

/** Attaches the selector of the SO_REUSEPORT group that the bound socket is in (Linux 4.5). Throws SystemCallError. */
export function attachSelector(fd: number, program: readonly Instruction[]): void {
  attach(fd, SO_ATTACH_REUSEPORT_CBPF, program, 'SO_ATTACH_REUSEPORT_CBPF');
}

function attach(fd: number, option: number, program: readonly Instruction[], what: string): void {
  const code = encodeProgram(program);
  // struct sock_fprog: u16 length, padding, pointer.
  const fprog = new Uint8Array(16);
  new DataView(fprog.buffer).setUint16(0, program.length, true);
  new DataView(fprog.buffer).setBigUint64(8, BigInt(addressOfBytes(code)), true);
  setOption(fd, SOL_SOCKET, option, fprog, what);
}
