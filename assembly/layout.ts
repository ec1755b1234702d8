/**
 * THE memory map. Both sides read it: AssemblyScript (the hot path) and TypeScript (the control thread and
 * the workers' loops). Constants only; every address, stride and field offset of the shared memory is written
 * down here and nowhere else. Multi-octet fields are little-endian unless a comment says "network order".
 *
 *   0            1024      4096                    (sizes known at start, addresses in the control block)
 *   +------------+---------+---------+ ... +-------+----------+-------+---------+-----------------------+
 *   | never used | control | worker  |     | path  | sessions | paths | packet  | heap: rings, tables,  |
 *   | (null page)| block   | regions |     | stats |          |       | buffers | schedules, bitmaps    |
 *   +------------+---------+---------+ ... +-------+----------+-------+---------+-----------------------+
 */

// ---------------------------------------------------------------------------------------- control block

export const CONTROL = 1024;
/** u64: absolute address of the memory's first byte in the process (for iovecs); 0 with in-memory devices. */
export const CONTROL_HOST_BASE = 0;
/** u64, atomic: global pool of packet buffers, (tag << 32) | address of the first chain. */
export const CONTROL_POOL_HEAD = 8;
/** u32, atomic: chains in the global pool. */
export const CONTROL_POOL_CHAINS = 16;
/** u32: ROLE_MAG or ROLE_LMA. */
export const CONTROL_ROLE = 20;
/** u32, atomic: raised by the control thread after it published something; workers copy it at batch ends. */
export const CONTROL_GENERATION = 24;
/** u32, atomic: 1 asks all workers to leave their loops. */
export const CONTROL_STOP = 28;
export const CONTROL_SESSIONS = 32;
export const CONTROL_SESSION_CAPACITY = 36;
export const CONTROL_PATHS = 40;
export const CONTROL_PATH_CAPACITY = 44;
export const CONTROL_BUFFERS = 48;
export const CONTROL_BUFFER_COUNT = 52;
export const CONTROL_BUFFER_SIZE = 56;
export const CONTROL_WORKER_COUNT = 60;
/** u32: sessions that there are. */
export const CONTROL_SESSION_COUNT = 1660;
/** u64: mixed into every hash so that table positions differ from run to run. */
export const CONTROL_HASH_SEED = 64;
/** Table references (u64 each, see TABLE_*): peers by address, paths by (local, peer, selector). */
export const CONTROL_PEER_TABLE = 72;
export const CONTROL_PATH_TABLE = 80;
/** u64 bit sets of the prefix lengths in use: one word for IPv4 (0..32), three for IPv6 (0..128). */
export const CONTROL_LENGTHS4 = 88;
export const CONTROL_LENGTHS6 = 96;
/** Source addresses of the ICMP errors we originate, network order: 4 and 16 octets. */
export const CONTROL_ICMP_SOURCE4 = 120;
export const CONTROL_ICMP_SOURCE6 = 128;
/** Table references (u64 each) by prefix length: 33 for IPv4, then 129 for IPv6. */
export const CONTROL_PREFIX_TABLES4 = 256;
export const CONTROL_PREFIX_TABLES6 = 520;
/** Scratch of the control thread for table keys: 32 octets. */
export const CONTROL_KEY = 1600;
/** Endpoints: fixed records, ENDPOINT_STRIDE each (address in the control block). */
export const CONTROL_ENDPOINTS = 1640;
export const CONTROL_PATH_STATS = 1648;
/** u32, atomic: TUN_OFFLOAD_*: what the TUN's descriptors were opened with, and what still works. */
export const CONTROL_TUN_OFFLOAD = 1652;
/** A struct virtio_net_hdr stands in front of every packet (Documentation/networking/tuntap.rst). */
export const TUN_OFFLOAD_VNET = 1;
/** Super-packets may be written: TCP; UDP (Linux 6.2). */
export const TUN_OFFLOAD_MERGE_TCP = 2;
export const TUN_OFFLOAD_MERGE_UDP = 4;
/** Flow table references (u64 each, see FLOW_*): verdicts, flowlets, pins, first fragments, small flows. */
export const CONTROL_VERDICTS = 1664;
export const CONTROL_FLOWLETS = 1672;
export const CONTROL_PINS = 1680;
export const CONTROL_FRAGMENTS = 1688;
export const CONTROL_SMALL_FLOWS = 1696;
/** u32, atomic: 1 once a flow was ever pinned; until then nobody looks. */
export const CONTROL_PINNED = 1704;
/** u32: pins unused for this many flow ticks have gone. */
export const CONTROL_PIN_AGE = 1708;
/** u32, atomic: raised and notified at the end of a round in which a worker has left probes in its WORKER_PROBES. */
export const CONTROL_PROBED = 1712;
/** u32, atomic: raised and notified when a worker has left a note in its WORKER_STRANGER. */
export const CONTROL_STRANGE = 1716;
export const CONTROL_SIZE = 2048;

export const ROLE_MAG = 0;
export const ROLE_LMA = 1;

// ---------------------------------------------------------------------------------------- hash tables

/**
 * A table reference is one u64, so that it is published by one store:  (bits << 32) | address of the entries.
 * A table has 2^bits entries, open addressing, linear probing; value 0 = empty, TABLE_TOMBSTONE = deleted.
 * Entry forms:  T4 = u32 key, u32 value.  T8 = u64 key, u32 value, u32 pad.
 *               T16 = u64 high, u64 low, u32 extra, u32 value, 8 pad.
 */
export const TABLE_TOMBSTONE = -1;
export const TABLE_FORM4 = 4;
export const TABLE_FORM8 = 8;
export const TABLE_FORM16 = 16;
export const TABLE_ENTRY4 = 8;
export const TABLE_ENTRY8 = 16;
export const TABLE_ENTRY16 = 32;
/** IPv6 prefixes up to this length live in T8 tables, longer ones in T16 tables. */
export const TABLE_FORM8_MAX_LENGTH = 64;

// ---------------------------------------------------------------------------------------- packet buffers

/**
 *   0        64                    192                                   bufferSize
 *   +--------+---------------------+-------------------------------------+
 *   | header | headroom for outer  | packet as read from TUN or socket   |
 *   +--------+---------------------+-------------------------------------+
 */
export const BUFFER_NEXT = 0;
export const BUFFER_NEXT_CHAIN = 4;
/** u32: worker index + 1 while a worker has it in hand, 0 in the pool or in a resequencer. */
export const BUFFER_OWNER = 8;
export const BUFFER_SEQUENCE = 12;
export const BUFFER_SESSION = 16;
export const BUFFER_LENGTH = 20;
/** u64: microseconds of CLOCK_MONOTONIC at the start of the batch that received it. */
export const BUFFER_ARRIVAL = 24;
/** u32: address of the inner packet. */
export const BUFFER_INNER = 32;
/** u32: 1 if a later number had arrived before it (RFC 4737 §3.3). */
export const BUFFER_REORDERED = 36;
/** u64: sum of the inner packet for checksums (wire/checksum.ts) where it was copied here, 0 where nobody has summed it. */
export const BUFFER_SUM = 40;
export const BUFFER_PACKET = 192;
/** Buffers per chain of the global pool. */
export const POOL_CHAIN = 32;

// ---------------------------------------------------------------------------------------- worker regions

export const WORKERS = 4096;
export const MAX_WORKERS = 16;
/** Packets read from a device per batch. */
export const BATCH = 64;
/** Room for outgoing packets of one batch: segments and fragments make more of them than packets were read. */
export const SEND_MAX = 512;
export const DELIVER_MAX = 1024;
export const FREE_MAX = 512;
export const STASH_MAX = 256;
export const HELD_MAX = 1024;
export const MAX_ENDPOINTS = 256;

/** u32, atomic: the generation this worker has seen at its last batch end. */
export const WORKER_GENERATION = 0;
/** u32, atomic: raised every loop. */
export const WORKER_HEARTBEAT = 4;
export const WORKER_INDEX = 8;
export const WORKER_FREE_COUNT = 12;
export const WORKER_DELIVER_COUNT = 16;
export const WORKER_SEND_COUNT = 20;
export const WORKER_GROUP_COUNT = 24;
export const WORKER_HELD_COUNT = 28;
export const WORKER_TOUCHED_COUNT = 32;
export const WORKER_STASH_COUNT = 36;
/** u32: sessions in this worker's timer bit set. */
export const WORKER_TIMER_COUNT = 40;
/** u32: address of the timer bit set, one bit a session. */
export const WORKER_TIMERS = 44;
/** u64: microseconds, start of the batch. */
export const WORKER_NOW = 48;
/** u32: packets that have arrived and are not in their windows yet (WORKER_ARRIVED). */
export const WORKER_ARRIVED_COUNT = 60;
/** Token bucket for ICMP errors (RFC 4443 §2.4 (f)): u32 tokens, u64 last refill. */
export const WORKER_ICMP_TOKENS = 56;
export const WORKER_ICMP_REFILL = 64;
/** u32: deliveries that could not be written. */
export const WORKER_DELIVER_FAILED = 72;
/** u32: octets of the super-packet in hand that are cut off already; 0 before its first segment. */
export const WORKER_SEGMENT_DONE = 76;
/** u32: struct mmsghdr laid out for the groups, and writes laid out for the TUN. */
export const WORKER_MESSAGE_COUNT = 80;
export const WORKER_WRITE_COUNT = 84;
/** u32: address of the super-packet areas (BATCH of SUPER_STRIDE), 0 without offloads. */
export const WORKER_SUPERS = 88;
/** u32: address of the entry of the session touched last, 0 between batches (WORKER_TOUCHED; address 0 has no session). */
export const WORKER_TOUCHED_LAST = 92;
/** What the last decapsulated packet looked like; filled by tunnel/outer.ts and tunnel/strip.ts. */
export const WORKER_META = 96;
export const META_SOURCE_HIGH = 0;
export const META_SOURCE_LOW = 8;
export const META_PORT = 16;
export const META_TOS = 20;
export const META_PAYLOAD = 24;
export const META_PAYLOAD_LENGTH = 28;
export const META_PROTOCOL = 32;
export const META_INNER = 36;
export const META_INNER_LENGTH = 40;
export const META_INNER_FAMILY = 44;
export const META_KEYED = 48;
export const META_KEY = 52;
export const META_SEQUENCED = 56;
export const META_SEQUENCE = 60;
/** u32: octets of each datagram in a message that udp(7) merged (UDP_GRO), 0 if it did not. */
export const META_SEGMENT = 64;
/** Ancillary data of the message (cmsg(3)), and its length; 0: none. */
export const META_CONTROL = 68;
export const META_CONTROL_LENGTH = 72;
/** u64 microseconds: whatever had arrived by then on this worker's devices has been read; all ones while it waits. */
export const WORKER_DRAINED = 248;
/** Counters, u64 each: drops by reason, then device counters. */
export const WORKER_DROPS = 256;
export const WORKER_COUNTERS = 768;
export const COUNTER_TUN_RX = 0;
export const COUNTER_TUN_TX = 8;
export const COUNTER_PATH_RX = 16;
export const COUNTER_PATH_TX = 24;
export const COUNTER_ICMP_SENT = 32;
export const COUNTER_MSS_CLAMPED = 40;
export const COUNTER_FRAGMENTED = 48;
/** Packets looked up in a classifier because their flow's verdict was not at hand. */
export const COUNTER_CLASSIFIED = 56;
/** Extra copies sent by redundant groups. */
export const COUNTER_COPIES = 64;
/** Picks of a user's scheduler that named no path of the group; the first path was taken instead. */
export const COUNTER_PICK_REFUSED = 72;
/** Super-packets cut up for the paths and put together for the TUN; messages that carried several datagrams. */
export const COUNTER_TUN_RX_SUPER = 128;
export const COUNTER_TUN_TX_SUPER = 136;
export const COUNTER_PATH_RX_MERGED = 144;
export const COUNTER_PATH_TX_MERGED = 152;

/** Buffers of the packets for the TUN, in order (u32 addresses); their headers are further down. */
export const WORKER_DELIVER_BUFFERS = 1024;
/** Outgoing packets in the order they were made (u32 each). */
export const WORKER_SEND_ADDRESSES = WORKER_DELIVER_BUFFERS + DELIVER_MAX * 4;
export const WORKER_SEND_LENGTHS = WORKER_SEND_ADDRESSES + SEND_MAX * 4;
export const WORKER_SEND_BUFFERS = WORKER_SEND_LENGTHS + SEND_MAX * 4;
export const WORKER_SEND_PATHS = WORKER_SEND_BUFFERS + SEND_MAX * 4;
export const WORKER_SEND_TOS = WORKER_SEND_PATHS + SEND_MAX * 4;
/** Path group of a packet, then its place in the grouped order; SEND_SETTLED once it is sent or given up. */
export const WORKER_SEND_PLACES = WORKER_SEND_TOS + SEND_MAX * 4;
export const SEND_SETTLED = 0xffffffff;
/** Packet at this place of the grouped order. */
export const WORKER_SEND_ORDER = WORKER_SEND_PLACES + SEND_MAX * 4;
/** Link record of the packet at this place, 0: none. */
export const WORKER_SEND_LINKS = WORKER_SEND_ORDER + SEND_MAX * 4;
/** First place of a struct mmsghdr, and how many packets it carries. */
export const WORKER_MESSAGE_FIRST = WORKER_SEND_LINKS + SEND_MAX * 4;
export const WORKER_MESSAGE_PACKETS = WORKER_MESSAGE_FIRST + SEND_MAX * 4;
/** errno of a message that the ring could not send, 0: sent; MESSAGE_REFUSED: to be laid out again, one packet a message. */
export const WORKER_MESSAGE_ERRORS = WORKER_MESSAGE_PACKETS + SEND_MAX * 4;
export const MESSAGE_REFUSED = 0xffffffff;
/** Groups, GROUP_STRIDE each: one sendmmsg(2) call, unless a ring sends all of them. */
export const WORKER_GROUPS = WORKER_MESSAGE_ERRORS + SEND_MAX * 4;
export const GROUP_ENDPOINT = 0;
export const GROUP_FIRST = 4;
export const GROUP_COUNT = 8;
/** While grouping: the endpoint's first and last path group + 1. */
export const GROUP_HEAD = 8;
export const GROUP_TAIL = 12;
export const GROUP_STRIDE = 16;
/** Path groups of a batch, PATH_GROUP_STRIDE each. */
export const WORKER_PATH_GROUPS = WORKER_GROUPS + MAX_ENDPOINTS * GROUP_STRIDE;
export const PATH_GROUP_PATH = 0;
export const PATH_GROUP_COUNT = 4;
export const PATH_GROUP_NEXT_PLACE = 8;
/** Next path group + 1 of the same endpoint. */
export const PATH_GROUP_NEXT = 12;
/** Link record that all of the group's packets go by, 0: none. */
export const PATH_GROUP_LINK = 16;
export const PATH_GROUP_STRIDE = 20;
/** u16: path group + 1 by hash of the path, open addressing. */
export const PATH_GROUP_HASH_BITS = 10;
export const WORKER_PATH_GROUP_OF = WORKER_PATH_GROUPS + SEND_MAX * PATH_GROUP_STRIDE;
/** u16 by endpoint: group number + 1 of this batch. */
export const WORKER_GROUP_OF = WORKER_PATH_GROUP_OF + 2 * (1 << PATH_GROUP_HASH_BITS);
/** struct mmsghdr, iovec and control of the grouped packets (sendmmsg(2)). */
export const CONTROL_MESSAGE_SIZE = 64;
export const WORKER_SEND_HEADERS = WORKER_GROUP_OF + MAX_ENDPOINTS * 2;
export const WORKER_SEND_IOVECS = WORKER_SEND_HEADERS + SEND_MAX * 64;
export const WORKER_SEND_CONTROLS = WORKER_SEND_IOVECS + SEND_MAX * 16;
/** struct mmsghdr, iovecs, name and control for recvmmsg(2); buffers as u32; struct virtio_net_hdr of the TUN. */
export const RECEIVE_CONTROL_SIZE = 96;
export const WORKER_RECEIVE_HEADERS = WORKER_SEND_CONTROLS + SEND_MAX * CONTROL_MESSAGE_SIZE;
/** Three iovecs a place: virtio_net_hdr, packet buffer, super-packet area. */
export const RECEIVE_IOVECS = 3;
export const WORKER_RECEIVE_IOVECS = WORKER_RECEIVE_HEADERS + BATCH * 64;
export const WORKER_RECEIVE_NAMES = WORKER_RECEIVE_IOVECS + BATCH * RECEIVE_IOVECS * 16;
export const WORKER_RECEIVE_CONTROLS = WORKER_RECEIVE_NAMES + BATCH * 32;
export const WORKER_RECEIVE_BUFFERS = WORKER_RECEIVE_CONTROLS + BATCH * RECEIVE_CONTROL_SIZE;
export const VNET_STRIDE = 16;
export const WORKER_RECEIVE_VNET = WORKER_RECEIVE_BUFFERS + BATCH * 4;
/** Free buffers in hand (u32 stack). */
export const WORKER_FREE = WORKER_RECEIVE_VNET + BATCH * VNET_STRIDE;
/** Sessions whose delivery lock this worker has (u32 addresses), until its deliveries are written. */
export const WORKER_HELD = WORKER_FREE + FREE_MAX * 4;
/** Sessions touched by the batch: TOUCHED_STRIDE each. */
export const TOUCHED_MAX = 64;
export const WORKER_TOUCHED = WORKER_HELD + HELD_MAX * 4;
export const TOUCHED_SESSION = 0;
export const TOUCHED_COUNT = 4;
export const TOUCHED_HIGHEST = 8;
/** Packets that have gone straight to the delivery list. */
export const TOUCHED_PASSED = 12;
export const TOUCHED_STRIDE = 16;
/** Buffers that found no place in their window yet (u32 addresses). */
export const WORKER_STASH = WORKER_TOUCHED + TOUCHED_MAX * TOUCHED_STRIDE;
/** struct pollfd array of the worker's loop: eventfd, TUN, endpoints. */
export const WORKER_POLL = WORKER_STASH + STASH_MAX * 4;
/** u64: where the eventfd's counter is read to. */
export const WORKER_WAKE = WORKER_POLL + (MAX_ENDPOINTS + 2) * 8;
/** struct mmsghdr and iovec of the packets for the TUN. */
export const WORKER_DELIVER_HEADERS = WORKER_WAKE + 16;
export const WORKER_DELIVER_IOVECS = WORKER_DELIVER_HEADERS + DELIVER_MAX * 64;
/** With offloads: next packet + 1 of the same super-packet (u16 by delivery). */
export const WORKER_DELIVER_NEXT = WORKER_DELIVER_IOVECS + DELIVER_MAX * 16;
/** Super-packets for the TUN in order, MERGE_STRIDE each, with their virtio_net_hdr and headers. */
export const WORKER_MERGES = WORKER_DELIVER_NEXT + DELIVER_MAX * 2;
export const MERGE_FIRST = 0;
export const MERGE_LAST = 4;
export const MERGE_COUNT = 8;
/** u32: MERGE_CLOSED, or the protocol that may be merged into it. */
export const MERGE_STATE = 12;
export const MERGE_CLOSED = 0;
/** Octets of headers, of payload so far, and of payload in each packet but the last. */
export const MERGE_HEADER = 16;
export const MERGE_PAYLOAD = 20;
export const MERGE_SEGMENT = 24;
/** Next TCP sequence number. */
export const MERGE_NEXT = 28;
/** Address of the first packet. */
export const MERGE_PACKET = 32;
/** struct virtio_net_hdr, then (for more than one packet) the headers of the super-packet. */
export const MERGE_VNET = 36;
export const MERGE_HEADERS = 46;
export const MERGE_HEADERS_MAX = 120;
export const MERGE_STRIDE = 176;
export const WORKER_WRITE_IOVECS = WORKER_MERGES + DELIVER_MAX * MERGE_STRIDE;
/** Address and number of iovecs of each writev(2): two u32. */
export const WORKER_WRITES = WORKER_WRITE_IOVECS + DELIVER_MAX * 2 * 16;
/** What a classifier may look at in the packet in hand; filled by classify/flow-fields.ts, host byte order. */
export const WORKER_FIELDS = WORKER_WRITES + DELIVER_MAX * 8;
/** u64 each: addresses, IPv4 in the lower half of LOW. */
export const FIELD_SOURCE_HIGH = 0;
export const FIELD_SOURCE_LOW = 8;
export const FIELD_DESTINATION_HIGH = 16;
export const FIELD_DESTINATION_LOW = 24;
/** u32 each. The protocol is that of the upper layer, after IPv6 extension headers. */
export const FIELD_PROTOCOL = 32;
export const FIELD_SOURCE_PORT = 36;
export const FIELD_DESTINATION_PORT = 40;
/** Six bits. */
export const FIELD_DSCP = 44;
export const FIELD_SPI = 48;
/** 20 bits. */
export const FIELD_LABEL = 52;
/** FIELD_HAS_*: which of the fields that not every packet has this one has. */
export const FIELD_FLAGS = 56;
export const FIELD_HAS_PORTS = 1;
export const FIELD_HAS_SPI = 2;
export const FIELD_FRAGMENT_FIRST = 4;
export const FIELD_FRAGMENT_LATER = 8;
/** u32: IPv4 or IPv6 identification of a fragment. */
export const FIELD_IDENTIFICATION = 60;
/** u32 each: rows of the classifier's dimensions for the packet in hand. */
export const WORKER_ROWS = WORKER_FIELDS + 64;
/** u64: flow key of the packet in hand (classify/flow-key.ts), if its session asks for one. */
export const WORKER_FLOW = WORKER_ROWS + 32;
/** u32: places of the send list that copies must leave free for pieces of the packet in hand. */
export const WORKER_RESERVE = WORKER_FLOW + 8;
/**
 * Senders over RFC 5844 UDP that no path expects, until the control thread takes them: MAGs whose port a NAT has changed. A sender's place
 * follows from selector and BID. u32 each: 1 if there is one; GRE key or session number; 1 if it is a key; UDP port; local end; BID if it
 * was a keepalive, else 0. u64 each: address.
 */
export const WORKER_STRANGER = (WORKER_RESERVE + 8 + 7) & ~7;
export const STRANGERS = 8;
export const STRANGER_STRIDE = 40;
export const STRANGER_SELECTOR = 4;
export const STRANGER_KEYED = 8;
export const STRANGER_PORT = 12;
export const STRANGER_LOCAL = 16;
export const STRANGER_BID = 20;
export const STRANGER_HIGH = 24;
export const STRANGER_LOW = 32;
/**
 * Probes that came (docs/probes.md), a ring with one writer and one reader: u32 written, u32 taken (both atomic, they only grow), u32
 * written when the control thread was last told, then PROBES notes. A note: u32 path number, u64 microseconds when the worker read it, u64 packets and octets of data that
 * the path had received by then, u64 microseconds of CLOCK_REALTIME when the kernel received it (0: not known), and the probe itself.
 */
export const WORKER_PROBES = WORKER_STRANGER + STRANGERS * STRANGER_STRIDE;
export const PROBES_WRITTEN = 0;
export const PROBES_TAKEN = 4;
export const PROBES_TOLD = 8;
export const PROBES_FIRST = 16;
/** Room for a probe and an answer of each of 254 paths, twice: all are asked at once when a session wakes up. */
export const PROBES = 1024;
export const PROBE_PATH = 0;
export const PROBE_READ = 8;
export const PROBE_PACKETS = 16;
export const PROBE_OCTETS = 24;
export const PROBE_STAMP = 32;
export const PROBE_MESSAGE = 40;
export const PROBE_LENGTH = 64;
export const PROBE_STRIDE = PROBE_MESSAGE + PROBE_LENGTH;
/** GRE protocol type of probes: IEEE 802 Local Experimental EtherType 1. */
export const PROBE_TYPE = 0x88b5;
/**
 * Without a GRE key a probe is an inner UDP packet between an address of the session and this link-local one, which no router forwards
 * (RFC 3927 §2.7, RFC 4291 §2.5.6): 169.254.82.78, fe80::8278. Both ports are the experimental one of RFC 4727 §6.
 */
export const PROBE_ADDRESS4 = 0xa9fe524e;
export const PROBE_ADDRESS6_HIGH = 0xfe80;
export const PROBE_ADDRESS6_LOW = 0x8278;
export const PROBE_PORT = 1022;
/**
 * What pipeline/warm.ts notes of packets while it touches what they need: addresses (u32 each), or for received ones WARM_STRIDE octets
 * each; then u64: what it read, so that it reads.
 */
export const WORKER_WARM = WORKER_PROBES + PROBES_FIRST + PROBES * PROBE_STRIDE;
/** u64 key in the path table, then u32 address of the path or session; u32 address of the inner packet, then u32 session number. */
export const WARM_KEY = 0;
export const WARM_INNER = 8;
export const WARM_FAMILY = 12;
export const WARM_STRIDE = 16;
/** UDP_MAX_SEGMENTS (linux/udp.h): no message carries more datagrams. */
export const DATAGRAMS_MAX = 128;
export const WORKER_WARMED = WORKER_WARM + DATAGRAMS_MAX * WARM_STRIDE;
/** Packets on their way into windows (reorder/arrivals.ts): u32 buffer, u32 path. */
export const ARRIVED_MAX = 256;
export const WORKER_ARRIVED = WORKER_WARMED + 8;
export const WORKER_END = WORKER_ARRIVED + ARRIVED_MAX * 8;
export const WORKER_STRIDE = (WORKER_END + 63) & ~63;

/**
 * Super-packet areas: what does not fit into a packet buffer when a TUN with virtio_net_hdr or a socket with UDP_GRO gives
 * up to 64 KiB at once. The packet's first octets are copied in front, so that it lies in one piece.
 *
 *   0            16384                                             81920
 *   +------------+-------------------------------------------------+
 *   | front room | what did not fit into the packet buffer         |
 *   +------------+-------------------------------------------------+
 */
export const SUPER_FRONT = 16384;
export const SUPER_STRIDE = 81920;

export const NAME_SIZE = 32;

// struct mmsghdr and iovec of 64-bit Linux (recvmmsg(2), readv(2)).
export const MMSGHDR_SIZE = 64;
export const MMSGHDR_NAME = 0;
export const MMSGHDR_NAMELEN = 8;
export const MMSGHDR_IOV = 16;
export const MMSGHDR_IOVLEN = 24;
export const MMSGHDR_CONTROL = 32;
export const MMSGHDR_CONTROLLEN = 40;
export const MMSGHDR_FLAGS = 48;
export const MMSGHDR_LEN = 56;
export const IOVEC_SIZE = 16;

// struct virtio_net_hdr (linux/virtio_net.h), little-endian.
export const VNET_SIZE = 10;
export const VNET_FLAGS = 0;
export const VNET_FLAG_NEEDS_CSUM = 1;
export const VNET_GSO_TYPE = 1;
export const VNET_GSO_TCPV4 = 1;
export const VNET_GSO_TCPV6 = 4;
export const VNET_GSO_UDP_L4 = 5;
export const VNET_GSO_ECN = 0x80;
export const VNET_HDR_LEN = 2;
export const VNET_GSO_SIZE = 4;
export const VNET_CSUM_START = 6;
export const VNET_CSUM_OFFSET = 8;

// ---------------------------------------------------------------------------------------- endpoints

/** A local address and port or protocol that paths share: one socket (or in-memory port) a worker. */
export const ENDPOINT_MODE = 0;
export const ENDPOINT_PROTOCOL = 4;
/** Number of (local address, encapsulation, port): what a path key names; both ipip sockets share one. */
export const ENDPOINT_LOCAL = 8;
export const ENDPOINT_PORT = 12;
/** Local address, 16 octets, IPv4 as ::ffff:a.b.c.d, network order. */
export const ENDPOINT_ADDRESS = 16;
/** u32: which of ENCAPSULATION_* it carries. */
export const ENDPOINT_ENCAPSULATION = 32;
/** u32, atomic: ENDPOINT_OFFLOAD_*. */
export const ENDPOINT_OFFLOAD = 36;
/** Several datagrams of a path may go as one message (UDP_SEGMENT, udp(7)). */
export const ENDPOINT_OFFLOAD_SEGMENT = 1;
/** Messages may hold several datagrams (UDP_GRO). */
export const ENDPOINT_OFFLOAD_MERGE = 2;
export const ENDPOINT_STRIDE = 64;

/** Whole outer packets in both directions (in-memory devices). */
export const MODE_WHOLE = 0;
/** raw(7), IP_HDRINCL: whole IPv4 packets in both directions. */
export const MODE_RAW4 = 1;
/** IPV6_HDRINCL: whole packets out, payload only in (ipv6(7)). */
export const MODE_RAW6 = 2;
/** udp(7): payload only, TOS as ancillary data. */
export const MODE_UDP4 = 3;
export const MODE_UDP6 = 4;
/** packet(7): whole packets out, nothing comes in. */
export const MODE_LINK = 5;

// ---------------------------------------------------------------------------------------- sessions

export const SESSION_CONFIG = 0;
/** u32: position in the session array + 1 (the value that prefix tables hold). */
export const SESSION_NUMBER = 4;
/** u64, atomic: tickets drawn; the sequence number is its lower half. */
export const SESSION_TICKET = 64;
/** u32, atomic: 0 free, else owner (worker index + 1) with LOCK_PENDING. */
export const SESSION_LOCK = 128;
/** u32, atomic: next expected sequence number. */
export const SESSION_HEAD = 132;
export const SESSION_RING = 136;
/** u32: window - 1. */
export const SESSION_MASK = 140;
/** u32: bit set of 2 * window bits: numbers already delivered. */
export const SESSION_HISTORY = 144;
/** u32: 0 until the first sequenced packet. */
export const SESSION_STARTED = 148;
/** u32, atomic: packets in the ring. */
export const SESSION_HELD = 152;
/** u32, atomic: highest number put into the ring. */
export const SESSION_HIGHEST = 156;
/** u64: no held packet arrived before this; 0 = not known. */
export const SESSION_OLDEST = 160;
/** u64: microseconds in which packets came, pauses left out (release.ts); u64: last release. */
export const SESSION_CLOCK = 168;
export const SESSION_LAST_RELEASE = 176;
/** u32, atomic: numbers before this one are given up because the window is full. */
export const SESSION_FORCE = 184;
/** u32: decaying peak of the lateness in microseconds, u32: samples seen (saturating). */
export const SESSION_LATENESS = 188;
export const SESSION_LATENESS_SAMPLES = 192;
/** u64: when the peak was last raised or halved. */
export const SESSION_LATENESS_TIME = 240;
/** u64: when a number was last given up; u32: after which wait. */
export const SESSION_SKIP_TIME = 200;
export const SESSION_SKIP_WAIT = 208;
/** Packets of what may be a restarted sender. */
export const SESSION_CANDIDATES = 212;
export const SESSION_CANDIDATE_NEXT = 216;
/** u32 each: up to CANDIDATE_MAX buffers. */
export const SESSION_CANDIDATE_BUFFERS = 220;
export const CANDIDATE_MAX = 4;
/** u32: 1 after a packet far outside the window went out alone (restart.ts); SESSION_CANDIDATE_NEXT is the number after it. */
export const SESSION_STRAY = 248;
/** u32, atomic: 1 once the far end is known to number its packets anew, from 0, until the window has gone there (restart.ts). */
export const SESSION_RENUMBERED = 252;
/** Statistics, u64 each. */
export const SESSION_STATS = 256;
export const STAT_IN_ORDER = 0;
export const STAT_REORDERED = 8;
export const STAT_LATE = 16;
export const STAT_DUPLICATES = 24;
export const STAT_LOST_PROVEN = 32;
export const STAT_LOST_TIMEOUT = 40;
export const STAT_LOST_WINDOW = 48;
export const STAT_RESTARTS = 56;
export const SESSION_DEPTH_HISTOGRAM = 320;
export const DEPTH_BUCKETS = 18;
export const SESSION_WAIT_HISTOGRAM = 464;
export const WAIT_BUCKETS = 22;
/** u64: when the packet at the head may go, as its path is made longer (MODEL_HOLD); 0: none waits for that. */
export const SESSION_DUE = 640;
export const SESSION_STRIDE = 704;

export const LOCK_PENDING = 0x10000;

// ---------------------------------------------------------------------------------------- session config

/** An immutable block on the heap; SESSION_CONFIG points to the present one. */
export const CONFIG_FLAGS = 0;
export const CONFIG_FLAG_LATE_DROP = 1;
export const CONFIG_FLAG_PROVEN_LOSS = 2;
export const CONFIG_FLAG_CLAMP_MSS = 4;
/** Some path has no GRE key, so that its probes are inner packets: nobody else's may look like them. */
export const CONFIG_FLAG_INNER_PROBES = 8;
/** u32: largest inner IPv6 packet, never less than 1280. */
export const CONFIG_INNER_MTU6 = 4;
export const CONFIG_MIN_WAIT = 8;
export const CONFIG_MAX_WAIT = 12;
/** u64: ticket at which the schedule starts with its first entry. */
export const CONFIG_ORIGIN = 16;
export const CONFIG_PERIOD = 24;
/** u32: address of PERIOD octets, each a position in the path list. */
export const CONFIG_SCHEDULE = 28;
export const CONFIG_PATH_COUNT = 32;
/** u32: largest inner IPv4 packet. */
export const CONFIG_INNER_MTU4 = 36;
/** u32: address of the default distribution group, 0: the schedule above by the session's own ticket. */
export const CONFIG_GROUP = 40;
/** u32: address of the flow policy, 0 if there is none. (One u64 load tells that there is neither.) */
export const CONFIG_POLICY = 44;
/** u32 addresses of path records. */
export const CONFIG_PATH_LIST = 64;

// ------------------------------------------------------------------------- distribution groups and flows

/**
 * A distribution group: paths with a scheduler of their own. A block on the heap; the control thread replaces it whole.
 *
 *   0           64            96          128           384       +MEMBER_STRIDE each
 *   +-----------+-------------+-----------+-------------+---------+---------+ ... +----------+-------+
 *   | constants | running     | user's    | BID ->      | member  | member  |     | schedule | slots |
 *   |           | state       | own state | member + 1  |         |         |     |          |       |
 *   +-----------+-------------+-----------+-------------+---------+---------+ ... +----------+-------+
 */
export const GROUP_ALGORITHM = 0;
export const GROUP_MEMBER_COUNT = 4;
export const GROUP_FLAGS = 8;
/** Packets draw the session's sequence number; otherwise they bypass the resequencer. */
export const GROUP_FLAG_SEQUENCED = 1;
/** Some scheduler of the session looks at the models: whatever is sent is charged to them. */
export const GROUP_FLAG_CHARGE = 2;
/** Entries and address of the weighted schedule (octets: member positions). */
export const GROUP_PERIOD = 12;
export const GROUP_SCHEDULE = 16;
/** Address of FLOW_SLOTS octets: member positions by flow. */
export const GROUP_SLOTS = 20;
/** u32: flow ticks of pause after which a flow may change its path (flowlet). */
export const GROUP_GAP = 24;
/** u32: microseconds of queue from which on a path counts as full (lowest-delay, ecf, blest). */
export const GROUP_QUEUE = 28;
/** u32: packets that the peer's resequencer holds (blest). */
export const GROUP_WINDOW = 32;
/** u32: blest's lambda in 1/256. */
export const GROUP_LAMBDA = 36;
/** u64: seed of the random scheduler. */
export const GROUP_SEED = 40;
/** u64, atomic: tickets drawn for the schedule. */
export const GROUP_TICKET = 64;
/** u32, atomic: member whose turn it is (deficit). */
export const GROUP_CURSOR = 72;
/** u32: 1 while ecf waits for the faster path. */
export const GROUP_WAITING = 76;
/** u32, atomic: packets sent without sequence number. */
export const GROUP_UNSEQUENCED = 80;
/** 32 octets that are a user's scheduler's own. */
export const GROUP_USER = 96;
/** 256 octets: member position + 1 by BID, 0 = not in the group. */
export const GROUP_BIDS = 128;
export const GROUP_MEMBERS = 384;
/** u32 addresses: the path record, and the model it shares. */
export const MEMBER_PATH = 0;
export const MEMBER_MODEL = 4;
export const MEMBER_BID = 8;
export const MEMBER_WEIGHT = 12;
/** u32: octets a turn (deficit). */
export const MEMBER_QUANTUM = 16;
/** Committed rate in 1/64 octet a millisecond, u32 CBS and EBS in 1/64 octet (overflow, RFC 2697). Rate 0: no limit. */
export const MEMBER_RATE = 20;
export const MEMBER_CBS = 24;
export const MEMBER_EBS = 28;
/** i32, atomic. */
export const MEMBER_DEFICIT = 32;
/** u32: PATH_HEADER_LENGTH of the path record, so that who only weighs a path need not touch its record. */
export const MEMBER_HEADER = 36;
/** u64, atomic: tokens of bucket C (lower half) and E. */
export const MEMBER_TOKENS = 40;
/** u64, atomic: microseconds of the last refill. */
export const MEMBER_REFILL = 48;
export const MEMBER_STRIDE = 64;
export const FLOW_SLOTS = 4096;

export const ALGORITHM_TABLE = 0;
export const ALGORITHM_DEFICIT = 1;
export const ALGORITHM_RANDOM = 2;
export const ALGORITHM_FLOW_HASH = 3;
export const ALGORITHM_FLOWLET = 4;
export const ALGORITHM_LOWEST_DELAY = 5;
export const ALGORITHM_EARLIEST = 6;
export const ALGORITHM_OVERFLOW = 7;
export const ALGORITHM_BLEST = 8;
export const ALGORITHM_ECF = 9;
export const ALGORITHM_REDUNDANT = 10;
export const ALGORITHM_CUSTOM = 11;

/** A flow policy: classifiers by family, groups by verdict, the latency class. A block on the heap. */
/** u32 addresses, 0 = no rule for the family. */
export const POLICY_CLASSIFIER4 = 4;
export const POLICY_CLASSIFIER6 = 8;
/** Small flows: u32 address of their group (0 = off), largest packet, octets a flow tick << 8, burst in octets. */
export const POLICY_SMALL_GROUP = 12;
export const POLICY_SMALL_PACKET = 16;
export const POLICY_SMALL_RATE = 20;
export const POLICY_SMALL_BURST = 24;
/** u32 addresses of groups by verdict - VERDICT_GROUP. */
export const POLICY_GROUPS = 32;

/** What classify() says: no rule matched, drop, or (in tables) VERDICT_GROUP + position in POLICY_GROUPS. */
export const VERDICT_DEFAULT = 0;
export const VERDICT_DROP = 1;
export const VERDICT_GROUP = 2;

/**
 * A classifier of one address family: for every dimension that some rule looks at, the sorted beginnings of intervals and
 * for each interval a row of bits, one a rule in order of priority. All rows of a packet ANDed, the first bit is the rule.
 */
export const CLASSIFIER_WORDS = 0;
export const CLASSIFIER_DIMENSIONS = 4;
/** u32: address of a u16 a rule: its verdict. */
export const CLASSIFIER_VERDICTS = 8;
/** u32: no classifier had it before; verdicts are remembered under it, so those of others are not found any more. */
export const CLASSIFIER_ID = 12;
export const CLASSIFIER_DIMENSION = 16;
/** u32: FIELD_* offset. 128-bit fields are named by their HIGH word and have DIMENSION_WIDE. */
export const DIMENSION_FIELD = 0;
export const DIMENSION_WIDE = 4;
export const DIMENSION_INTERVALS = 8;
/** u32 address: u32 (wide: u64 high, u64 low) beginnings, the first is 0. */
export const DIMENSION_STARTS = 12;
/** u32 address of u32 row addresses. */
export const DIMENSION_ROWS = 16;
/** u32: FIELD_HAS_* that the packet needs, else the row at DIMENSION_ABSENT counts. */
export const DIMENSION_NEEDS = 20;
export const DIMENSION_ABSENT = 24;
export const DIMENSION_STRIDE = 32;
export const MAX_DIMENSIONS = 8;

/**
 * Flow tables have many writers and no lock. A reference is (bits << 32) | address; 2^bits sets of FLOW_WAYS entries
 * fill a cache line each. An entry is u64 key ^ data, u64 data: a torn one matches no key. Data 0 = empty;
 * the upper half of the data is a flow tick (FLOW_TICK_SHIFT), by which the oldest is replaced.
 */
export const FLOW_WAYS = 4;
export const FLOW_ENTRY = 16;
/** A flow tick is 2^5 = 32 microseconds. */
export const FLOW_TICK_SHIFT = 5;

// ---------------------------------------------------------------------------------------- paths

export const PATH_SESSION = 0;
export const PATH_ENDPOINT = 4;
export const PATH_FLAGS = 8;
export const PATH_FLAG_OUTER6 = 1;
export const PATH_FLAG_SEQUENCE = 2;
export const PATH_FLAG_GRE_CHECKSUM = 4;
export const PATH_FLAG_UDP_CHECKSUM = 8;
export const PATH_FLAG_DSCP_COPY = 16;
export const PATH_FLAG_ECN_COPY = 32;
export const PATH_FLAG_DF_COPY = 64;
export const PATH_FLAG_DF_SET = 128;
export const PATH_ENCAPSULATION = 12;
export const ENCAPSULATION_IPIP = 1;
export const ENCAPSULATION_GRE = 2;
export const ENCAPSULATION_UDP = 3;
export const ENCAPSULATION_UDP_GRE = 4;
export const ENCAPSULATION_GRE_IN_UDP = 5;
/** Octets put in front of the inner packet, and how many of them the kernel writes itself. */
export const PATH_HEADER_LENGTH = 16;
export const PATH_KERNEL_LENGTH = 20;
export const PATH_INNER_MTU = 24;
/** u32: fixed DSCP, already shifted left by 2. */
export const PATH_TOS = 28;
/** Offsets from the start of the outer header, 0 = not there. */
export const PATH_UDP_OFFSET = 32;
export const PATH_TLV_OFFSET = 36;
export const PATH_GRE_OFFSET = 40;
export const PATH_SEQUENCE_OFFSET = 44;
/** Offset of the octet that names the inner family by protocol number (ipip), 0 = none. */
export const PATH_PROTOCOL_OFFSET = 48;
export const PATH_NUMBER = 52;
/** u32: outer path MTU. */
export const PATH_MTU = 56;
/** Outer header, right-aligned: its last octet is the one before PATH_TEMPLATE_END. */
export const PATH_TEMPLATE_END = 160;
export const TEMPLATE_MAX = 96;
/** struct sockaddr_in or sockaddr_in6 of the peer, and its length. */
export const PATH_SOCKADDR = 160;
export const PATH_SOCKADDR_LENGTH = 188;
/** Receiver state. u32, atomic: highest sequence number seen; u32: 1 once something was seen. */
export const PATH_RX_HIGHEST = 192;
export const PATH_RX_SEEN = 196;
/** u64: when the last packet came, by SESSION_CLOCK. */
export const PATH_RX_CLOCK = 200;
/** u32: how far (in numbers) this path itself reorders; u64: when that was last raised. */
export const PATH_RX_SLACK = 208;
export const PATH_RX_SLACK_TIME = 216;
/** u32: how many numbers usually lie between two packets of this path (falls slowly, rises at once). */
export const PATH_RX_SPACING = 224;
/** u64 microseconds: when the last probe came over it; 0: none ever did. */
export const PATH_RX_PROBED = 232;
/** u64 microseconds: until then its silence proves nothing, because it has been taken for silent wrongly. */
export const PATH_RX_PATIENCE = 240;
/** u32: address of the path's model; a record without sequence numbers shares that of its twin. */
export const PATH_MODEL = 228;
/** u32: address of the path's link cell; a record without sequence numbers shares that of its twin. */
export const PATH_LINK = 248;
/** u32, atomic: the link cell: address of a link record, 0: packets go by the path's own endpoint. */
export const PATH_LINK_CELL = 252;
/** What the control plane knows of the path, at this offset of the record (see MODEL_*). */
export const PATH_MODEL_BLOCK = 256;
export const PATH_STRIDE = 320;

/**
 * A link record, never changed while it is published: whole outer packets go straight to a link-layer neighbour, by the endpoint
 * of packet sockets and a struct sockaddr_ll (packet(7)).
 */
export const LINK_ENDPOINT = 0;
export const LINK_SOCKADDR = 8;
export const LINK_SOCKADDR_LENGTH = 20;
export const LINK_SIZE = 28;

// ---------------------------------------------------------------------------------------- AF_XDP sockets

/**
 * One AF_XDP socket (linux/if_xdp.h) and all that it shares with the kernel. The kernel's rings are mapped over the areas that
 * are kept free for them here; each begins with indices, whose places the kernel tells.
 *
 *   0         XDP_RECEIVE_RING  XDP_FILL_RING  XDP_SEND_RING  XDP_DONE_RING  XDP_CHUNKS                    XDP_STRIDE
 *   +---------+-----------------+--------------+--------------+--------------+------------+-----------------+
 *   | record  | received        | for receiving| to send      | sent         | received   | to send, sent,  |
 *   |         | (descriptors)   | (addresses)  | (descriptors)| (addresses)  | or empty   | or unused       |
 *   +---------+-----------------+--------------+--------------+--------------+------------+-----------------+
 *
 * A chunk holds one Ethernet frame and is in one ring at a time, or unused (XDP_UNUSED). Rings name chunks by offset from XDP_CHUNKS.
 */
export const XDP_PAGE = 4096;
/** u32 addresses, kept by the control thread: producer index, consumer index and entries of each ring. */
export const XDP_RECEIVE = 0;
export const XDP_FILL = 12;
export const XDP_SEND = 24;
export const XDP_DONE = 36;
export const RING_PRODUCER = 0;
export const RING_CONSUMER = 4;
export const RING_ENTRIES = 8;
/** u32: largest IP packet that the interface takes. */
export const XDP_MTU = 48;
/** u32: endpoint number of the batch received last. */
export const XDP_ENDPOINT = 52;
/** Six octets: the interface's link-layer address. */
export const XDP_ADDRESS = 56;
/** u32: chunks for sending that are not in use, and their offsets (u32 stack). */
export const XDP_UNUSED_COUNT = 64;
export const XDP_UNUSED = 128;
/** Entries of the rings: powers of two. */
export const XDP_RECEIVE_CHUNKS = 2048;
export const XDP_SEND_CHUNKS = 512;
export const XDP_CHUNK = 2048;
/** struct xdp_desc: u64 offset, u32 length, u32 options. */
export const XDP_DESCRIPTOR = 16;
/** In front of a received frame: the number of the endpoint that it belongs to, left by our program (src/net/xdp-program.ts). */
export const XDP_FRAME_ENDPOINT = 4;
/** What the kernel keeps free in a chunk in front of a received frame (XDP_PACKET_HEADROOM). */
export const XDP_HEADROOM = 256;
export const ETHERNET_HEADER = 14;
/** One page has the indices, the next ones the entries. */
export const XDP_RECEIVE_RING = XDP_PAGE;
export const XDP_FILL_RING = XDP_RECEIVE_RING + XDP_PAGE + XDP_RECEIVE_CHUNKS * XDP_DESCRIPTOR;
export const XDP_SEND_RING = XDP_FILL_RING + XDP_PAGE + XDP_RECEIVE_CHUNKS * 8;
export const XDP_DONE_RING = XDP_SEND_RING + XDP_PAGE + XDP_SEND_CHUNKS * XDP_DESCRIPTOR;
export const XDP_CHUNKS = XDP_DONE_RING + XDP_PAGE + XDP_SEND_CHUNKS * 8;
export const XDP_STRIDE = XDP_CHUNKS + (XDP_RECEIVE_CHUNKS + XDP_SEND_CHUNKS) * XDP_CHUNK;

/** u32: one-way delay in microseconds without our own queue, u32: its variation. 0: not known. */
export const MODEL_DELAY = 0;
export const MODEL_JITTER = 4;
/** u32: time an octet takes at the path's rate, in 1/256 ns. 0: not known. */
export const MODEL_OCTET_TIME = 8;
/** u32: lost packets in a million. */
export const MODEL_LOSS = 12;
/** u32: microseconds by which what comes over the path is held, so that all paths seem equally long. */
export const MODEL_HOLD = 16;
/** u64: nanoseconds when the path will have sent what was given to it. */
export const MODEL_FREE_AT = 24;

/** Per worker and path: u64 packets and octets (outer, as far as we see them) sent and received. */
export const PATH_STAT_TX_PACKETS = 0;
export const PATH_STAT_TX_BYTES = 8;
export const PATH_STAT_RX_PACKETS = 16;
export const PATH_STAT_RX_BYTES = 24;
export const PATH_STAT_STRIDE = 32;

// ---------------------------------------------------------------------------------------- drop reasons

/** Why a packet was dropped; src/dataplane/drop-reasons.ts gives names and docs/drops.md explains. */
export const DROP_INNER_TRUNCATED = 1;
export const DROP_INNER_MALFORMED = 2;
export const DROP_INNER_CHECKSUM = 3;
export const DROP_INNER_EXPIRED = 4;
export const DROP_INNER_MARTIAN = 5;
export const DROP_NO_SESSION = 6;
export const DROP_NO_PATH = 7;
export const DROP_TOO_BIG = 8;
export const DROP_OUTER_TRUNCATED = 9;
export const DROP_OUTER_MALFORMED = 10;
export const DROP_OUTER_CHECKSUM = 11;
export const DROP_OUTER_FRAGMENT = 12;
export const DROP_GRE_MALFORMED = 13;
export const DROP_GRE_CHECKSUM = 14;
export const DROP_GRE_PROTOCOL = 15;
export const DROP_TLV_MALFORMED = 16;
export const DROP_UNKNOWN_PEER = 17;
export const DROP_UNKNOWN_KEY = 18;
export const DROP_WRONG_PATH = 19;
export const DROP_INNER_ADDRESS = 20;
export const DROP_ECN = 21;
export const DROP_DUPLICATE = 22;
export const DROP_LATE = 23;
export const DROP_SEQUENCE_JUMP = 24;
export const DROP_WINDOW_FULL = 25;
export const DROP_NO_BUFFER = 26;
export const DROP_SEND_QUEUE_FULL = 27;
export const DROP_SEND_UNREACHABLE = 28;
export const DROP_SEND_TOO_BIG = 29;
export const DROP_SEND_ERROR = 30;
export const DROP_TUN_WRITE = 31;
export const DROP_OUTER_DESTINATION = 32;
export const DROP_ICMP_LIMIT = 33;
export const DROP_SESSION_REMOVED = 34;
export const DROP_VNET_MALFORMED = 35;
export const DROP_POLICY = 36;
export const DROP_KEEPALIVE = 37;
export const DROP_PROBE_MALFORMED = 38;
export const DROP_PROBE_QUEUE_FULL = 39;
export const DROP_REASON_COUNT = 40;
