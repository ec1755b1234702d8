/* The C twin of assembly/pipeline/decapsulation.ts and tunnel/outer.ts, strip.ts; see hot-path.h. */
#include "hot-path-resequence.h"

#define MAPPED 0x0000ffff00000000ull
#define PROTOCOL_UDP 17
#define PROTOCOL_GRE 47
#define TRUNCATED 0x20

/* ------------------------------------------------------------- tunnel/outer.ts (whole packets), strip.ts */

static inline uint32_t read_header4(uint8_t *m, uint8_t *meta, uint8_t *at, uint32_t length) {
  if (length < 20) return DROP_OUTER_TRUNCATED;
  uint32_t header = (at[0] & 15) << 2, total = be16(at + 2);
  if (at[0] >> 4 != 4 || header < 20 || total < header) return DROP_OUTER_MALFORMED;
  if (total > length) return DROP_OUTER_TRUNCATED;
  if (be16(at + 6) & 0x3fff) return DROP_OUTER_FRAGMENT;
  U64(meta, META_SOURCE_HIGH) = 0;
  U64(meta, META_SOURCE_LOW) = MAPPED | be32(at + 12);
  U32(meta, META_PORT) = 0;
  U32(meta, META_TOS) = at[1];
  U32(meta, META_PAYLOAD) = ADDRESS(at) + header;
  U32(meta, META_PAYLOAD_LENGTH) = total - header;
  U32(meta, META_PROTOCOL) = at[9];
  return 0;
}

static inline uint32_t read_udp(uint8_t *m, uint8_t *meta, uint8_t *endpoint, uint8_t *at) {
  uint8_t *udp = AT(U32(meta, META_PAYLOAD));
  uint32_t available = U32(meta, META_PAYLOAD_LENGTH);
  if (available < 8) return DROP_OUTER_TRUNCATED;
  uint32_t length = be16(udp + 4);
  if (length < 8 || length > available) return DROP_OUTER_MALFORMED;
  if (be16(udp + 2) != U32(endpoint, ENDPOINT_PORT)) return DROP_OUTER_DESTINATION;
  if (U16(udp, 6) &&
      checksum_fold(checksum_add(pseudo_header4(at, length, PROTOCOL_UDP), udp, length)) != 0xffff)
    return DROP_OUTER_CHECKSUM;
  U32(meta, META_PORT) = be16(udp);
  U32(meta, META_PAYLOAD) = ADDRESS(udp) + 8;
  U32(meta, META_PAYLOAD_LENGTH) = length - 8;
  return 0;
}

static inline uint32_t read_whole(uint8_t *m, uint8_t *meta, uint8_t *endpoint, uint8_t *at, uint32_t length) {
  if (!length) return DROP_OUTER_TRUNCATED;
  uint32_t version = at[0] >> 4;
  if (version != 4) unreached();
  uint32_t reason = read_header4(m, meta, at, length);
  if (!reason && checksum_fold(checksum_add(0, at, (at[0] & 15) << 2)) != 0xffff) reason = DROP_OUTER_CHECKSUM;
  if (reason) return reason;
  if (U64(endpoint, ENDPOINT_ADDRESS) || (0xffff0000u | (uint64_t)U32(at, 16) << 32) != U64(endpoint, ENDPOINT_ADDRESS + 8))
    return DROP_OUTER_DESTINATION;
  uint32_t protocol = U32(meta, META_PROTOCOL);
  if (protocol != U32(endpoint, ENDPOINT_PROTOCOL)) return DROP_OUTER_DESTINATION;
  return protocol == PROTOCOL_UDP ? read_udp(m, meta, endpoint, at) : 0;
}

static inline uint32_t note_inner(uint8_t *m, uint8_t *meta, uint8_t *at, uint32_t length, uint32_t family) {
  if (!length) return DROP_OUTER_TRUNCATED;
  if (at[0] >> 4 != (int)family) return DROP_INNER_MALFORMED;
  U32(meta, META_INNER) = ADDRESS(at);
  U32(meta, META_INNER_LENGTH) = length;
  U32(meta, META_INNER_FAMILY) = family;
  return 0;
}

static inline uint32_t strip_gre(uint8_t *m, uint8_t *meta, uint8_t *at, uint32_t length) {
  if (length < 4) return DROP_OUTER_TRUNCATED;
  uint32_t flags = be16(at), offset = 4;
  if (flags & 0x4c07) return DROP_GRE_MALFORMED;
  if (flags & 0x8000) offset += 4;
  if (flags & 0x2000) offset += 4;
  if (flags & 0x1000) offset += 4;
  if (length < offset) return DROP_OUTER_TRUNCATED;
  if (flags & 0x8000 && checksum_fold(checksum_add(0, at, length)) != 0xffff) return DROP_GRE_CHECKSUM;
  uint8_t *field = at + (flags & 0x8000 ? 8 : 4);
  if (flags & 0x2000) {
    U32(meta, META_KEYED) = 1;
    U32(meta, META_KEY) = be32(field);
    field += 4;
  }
  if (flags & 0x1000) {
    U32(meta, META_SEQUENCED) = 1;
    U32(meta, META_SEQUENCE) = be32(field);
  }
  uint32_t type = be16(at + 2);
  if (type == 0x0800) return note_inner(m, meta, at + offset, length - offset, 4);
  if (type == 0x86dd) return note_inner(m, meta, at + offset, length - offset, 6);
  unreached();
}

static inline uint32_t strip_protocol(uint8_t *m, uint8_t *meta, uint8_t *at, uint32_t length, uint32_t protocol) {
  if (protocol == PROTOCOL_GRE) return strip_gre(m, meta, at, length);
  if (protocol != 4 && protocol != 41) return DROP_TLV_MALFORMED;
  return note_inner(m, meta, at, length, protocol == 4 ? 4 : 6);
}

static inline uint32_t strip_tunnel(uint8_t *m, uint8_t *meta, uint32_t encapsulation) {
  uint8_t *at = AT(U32(meta, META_PAYLOAD));
  uint32_t length = U32(meta, META_PAYLOAD_LENGTH), protocol = U32(meta, META_PROTOCOL);
  U32(meta, META_KEYED) = 0;
  U32(meta, META_SEQUENCED) = 0;
  if (protocol != PROTOCOL_UDP) return strip_protocol(m, meta, at, length, protocol);
  if (encapsulation == ENCAPSULATION_GRE_IN_UDP) return strip_gre(m, meta, at, length);
  if (!length) return DROP_OUTER_TRUNCATED;
  uint32_t version = at[0] >> 4;
  if (version) return strip_protocol(m, meta, at, length, version == 4 ? 4 : 41);
  if (length < 4) return DROP_OUTER_TRUNCATED;
  if (be16(at + 2) != length - 4) return DROP_TLV_MALFORMED;
  return strip_protocol(m, meta, at + 4, length - 4, at[1]);
}

/* --------------------------------------------------------- classify/peer-table.ts, wire/ip.ts, findOwner() */

static inline uint64_t path_key(uint32_t local, uint32_t peer, uint32_t keyed, uint32_t selector) {
  return ((uint64_t)peer << 41) | ((uint64_t)keyed << 40) | ((uint64_t)local << 32) | selector;
}

static inline uint8_t *path_of_key(uint8_t *m, uint64_t key) {
  uint32_t found = find8(m, PUBLISHED64(CONTROL_BLOCK, CONTROL_PATH_TABLE), key);
  if (!found) unreached();
  return AT(U32(CONTROL_BLOCK, CONTROL_PATHS)) + (uint64_t)(found - 1) * PATH_STRIDE;
}

static inline uint32_t find_owner(uint8_t *m, const uint8_t *inner, uint32_t family) {
  int by_source = U32(CONTROL_BLOCK, CONTROL_ROLE) == ROLE_LMA;
  return family == 4 ? find_session4(m, inner + (by_source ? 12 : 16)) : find_session6(m, inner + (by_source ? 8 : 24));
}

static inline int is_martian_source(const uint8_t *at, uint32_t family) {
  if (family == 4) return at[12] == 127 || at[12] >= 224 || U16((uint8_t *)at, 12) == 0xfea9;
  uint64_t high = __builtin_bswap64(U64((uint8_t *)at, 8));
  if (high >> 56 == 0xff || high >> 54 == 0x3fa) return 1;
  if (!high) unreached();
  return 0;
}

/* --------------------------------------------------------------------------- pipeline/decapsulation.ts */

static inline uint32_t decapsulate_one(uint8_t *m, uint8_t *worker, uint8_t *endpoint, uint8_t *buffer,
                                       uint32_t length) {
  uint8_t *meta = worker + WORKER_META;
  uint32_t encapsulation = U32(endpoint, ENDPOINT_ENCAPSULATION);
  int by_port = encapsulation == ENCAPSULATION_UDP || encapsulation == ENCAPSULATION_UDP_GRE;
  uint32_t reason = strip_tunnel(m, meta, encapsulation);
  if (reason) return reason;
  uint32_t peer = find16(m, PUBLISHED64(CONTROL_BLOCK, CONTROL_PEER_TABLE), U64(meta, META_SOURCE_HIGH),
                         U64(meta, META_SOURCE_LOW), by_port ? U32(meta, META_PORT) : 0);
  if (!peer) unreached();
  uint8_t *inner = AT(U32(meta, META_INNER));
  uint32_t family = U32(meta, META_INNER_FAMILY);
  int32_t total = check_inner(inner, U32(meta, META_INNER_LENGTH));
  if (total < 0) return (uint32_t)-total;
  uint32_t keyed = U32(meta, META_KEYED);
  if (!keyed) unreached();
  if (is_martian_source(inner, family)) return DROP_INNER_MARTIAN;
  uint32_t number = find_owner(m, inner, family);
  uint32_t selector = U32(meta, META_KEY);
  uint8_t *path = path_of_key(m, path_key(U32(endpoint, ENDPOINT_LOCAL), peer, keyed, selector));
  uint8_t *session = AT(U32(CONTROL_BLOCK, CONTROL_SESSIONS)) + (uint64_t)U32(path, PATH_SESSION) * SESSION_STRIDE;
  if (number != U32(session, SESSION_NUMBER)) return DROP_INNER_ADDRESS;
  uint32_t config = PUBLISHED32(session, SESSION_CONFIG);
  if (!config) return DROP_NO_SESSION;
  if (U32(meta, META_TOS) & 3) unreached();
  if (U32(AT(config), CONFIG_FLAGS) & CONFIG_FLAG_CLAMP_MSS && clamp_mss(inner, family))
    count(worker, COUNTER_MSS_CLAMPED, 1);
  uint64_t row = (uint64_t)U32(worker, WORKER_INDEX) * U32(CONTROL_BLOCK, CONTROL_PATH_CAPACITY) + U32(path, PATH_NUMBER);
  uint8_t *stats = AT(U32(CONTROL_BLOCK, CONTROL_PATH_STATS)) + row * PATH_STAT_STRIDE;
  U64(stats, PATH_STAT_RX_PACKETS)++;
  U64(stats, PATH_STAT_RX_BYTES) += length;
  if (!(U32(meta, META_SEQUENCED) && U32(path, PATH_FLAGS) & PATH_FLAG_SEQUENCE)) unreached();
  uint32_t sequence = U32(meta, META_SEQUENCE);
  uint64_t due = U64(worker, WORKER_NOW) + U32(path, PATH_MODEL_BLOCK + MODEL_HOLD);
  arrive(m, worker, session, path, buffer, inner, (uint32_t)total, sequence, due);
  return 0;
}

static inline uint32_t read_message(uint8_t *m, uint8_t *worker, uint8_t *endpoint, uint32_t i) {
  uint8_t *meta = worker + WORKER_META, *header = worker + WORKER_RECEIVE_HEADERS + i * MMSGHDR_SIZE;
  U32(meta, META_SEGMENT) = 0;
  U32(meta, META_CONTROL) = ADDRESS(worker + WORKER_RECEIVE_CONTROLS + i * RECEIVE_CONTROL_SIZE);
  U32(meta, META_CONTROL_LENGTH) = (uint32_t)U64(header, MMSGHDR_CONTROLLEN);
  if (U32(endpoint, ENDPOINT_MODE) != MODE_WHOLE) unreached();
  uint8_t *at = AT(U32(worker, WORKER_RECEIVE_BUFFERS + i * 4)) + BUFFER_PACKET;
  if (U32(header, MMSGHDR_FLAGS) & TRUNCATED) return DROP_OUTER_TRUNCATED;
  return read_whole(m, meta, endpoint, at, U32(header, MMSGHDR_LEN));
}

static inline void decapsulate_message(uint8_t *m, uint8_t *worker, uint8_t *endpoint, uint32_t i) {
  uint8_t *meta = worker + WORKER_META;
  uint32_t length = U32(worker + WORKER_RECEIVE_HEADERS + i * MMSGHDR_SIZE, MMSGHDR_LEN);
  uint32_t reason = read_message(m, worker, endpoint, i);
  uint32_t segment = U32(meta, META_SEGMENT);
  if (segment && segment < length) unreached();
  uint8_t *buffer = take_received(m, worker, i);
  count(worker, COUNTER_PATH_RX, 1);
  if (!reason)
    reason = length > buffer_capacity(m) ? DROP_OUTER_TRUNCATED : decapsulate_one(m, worker, endpoint, buffer, length);
  if (reason) drop(m, worker, buffer, reason);
}

/* ------------------------------------------------------------------------------------ pipeline/warm.ts */

static void warm_payloads(uint8_t *m, uint8_t *worker, uint8_t *end) {
  uint8_t *list = worker + WORKER_WARM;
  uint64_t sum = 0;
  for (uint8_t *at = list; at < end; at += WARM_STRIDE)
    U32(at, WARM_INNER) = find_owner(m, AT(U32(at, WARM_INNER)), U32(at, WARM_FAMILY));
  for (uint8_t *at = list; at < end; at += WARM_STRIDE)
    U64(at, WARM_KEY) = ADDRESS(path_of_key(m, U64(at, WARM_KEY)));
  uint64_t row = (uint64_t)U32(worker, WORKER_INDEX) * U32(CONTROL_BLOCK, CONTROL_PATH_CAPACITY);
  uint8_t *stats = AT(U32(CONTROL_BLOCK, CONTROL_PATH_STATS)) + row * PATH_STAT_STRIDE;
  for (uint8_t *at = list; at < end; at += WARM_STRIDE) {
    uint8_t *path = AT(U32(at, 0));
    sum += U64(path, PATH_RX_HIGHEST) + U64(path, PATH_MODEL_BLOCK) + U32(path, PATH_FLAGS);
  }
  for (uint8_t *at = list; at < end; at += WARM_STRIDE) {
    uint8_t *path = AT(U32(at, 0));
    sum += U64(stats, (uint64_t)U32(path, PATH_NUMBER) * PATH_STAT_STRIDE);
    uint8_t *session = AT(U32(CONTROL_BLOCK, CONTROL_SESSIONS)) + (uint64_t)U32(path, PATH_SESSION) * SESSION_STRIDE;
    U32(at, 0) = ADDRESS(session);
    sum += (uint64_t)U32(session, SESSION_CONFIG) + U32(session, SESSION_HEAD) + U32(session, SESSION_LATENESS_SAMPLES) +
           U64(session, SESSION_STATS) + U64(session, SESSION_DEPTH_HISTOGRAM) + U64(session, SESSION_WAIT_HISTOGRAM);
  }
  for (uint8_t *at = list; at < end; at += WARM_STRIDE) {
    uint8_t *session = AT(U32(at, 0)), *config = AT(U32(session, SESSION_CONFIG));
    uint32_t head = U32(session, SESSION_HEAD);
    sum += (uint64_t)U32(config, CONFIG_FLAGS) + U32(config, CONFIG_PATH_LIST) +
           U32(AT(U32(session, SESSION_RING)), (head & U32(session, SESSION_MASK)) * 4) +
           U32(history_word(m, session, head), 0);
  }
  U64(worker, WORKER_WARMED) = sum;
}

/* Messages are neither merged nor without a key here. */
static void warm_messages(uint8_t *m, uint8_t *worker, uint8_t *endpoint, uint32_t first, uint32_t received) {
  uint8_t *meta = worker + WORKER_META, *end = worker + WORKER_WARM;
  uint32_t encapsulation = U32(endpoint, ENDPOINT_ENCAPSULATION);
  int by_port = encapsulation == ENCAPSULATION_UDP || encapsulation == ENCAPSULATION_UDP_GRE;
  for (uint32_t i = first; i < received; i++) {
    if (read_message(m, worker, endpoint, i) || U32(meta, META_SEGMENT)) unreached();
    if (strip_tunnel(m, meta, encapsulation) || !U32(meta, META_KEYED)) unreached();
    uint32_t peer = find16(m, PUBLISHED64(CONTROL_BLOCK, CONTROL_PEER_TABLE), U64(meta, META_SOURCE_HIGH),
                           U64(meta, META_SOURCE_LOW), by_port ? U32(meta, META_PORT) : 0);
    U64(end, WARM_KEY) = path_key(U32(endpoint, ENDPOINT_LOCAL), peer, 1, U32(meta, META_KEY));
    U32(end, WARM_INNER) = U32(meta, META_INNER);
    U32(end, WARM_FAMILY) = U32(meta, META_INNER_FAMILY);
    end += WARM_STRIDE;
  }
  warm_payloads(m, worker, end);
}

static void decapsulate_batch(uint8_t *m, uint8_t *worker, uint32_t endpoint, uint32_t first, uint32_t received,
                              uint64_t now) {
  U64(worker, WORKER_NOW) = now;
  if (U32(worker, WORKER_STASH_COUNT)) unreached();
  uint8_t *record = AT(U32(CONTROL_BLOCK, CONTROL_ENDPOINTS) + endpoint * ENDPOINT_STRIDE);
  if (U32(CONTROL_BLOCK, CONTROL_SESSION_COUNT) >= MANY_SESSIONS) warm_messages(m, worker, record, first, received);
  for (uint32_t i = first; i < received; i++) {
    uint32_t arrived = U32(worker, WORKER_ARRIVED_COUNT);
    if (i > first && delivery_room(worker) < arrived + DATAGRAMS_MAX) unreached();
    if (arrived > ARRIVED_MAX - DATAGRAMS_MAX) unreached();
    decapsulate_message(m, worker, record, i);
  }
  settle(m, worker);
}

static uint32_t deliveries_done(uint8_t *m, uint8_t *worker, uint64_t now) {
  U64(worker, WORKER_NOW) = now;
  uint32_t n = U32(worker, WORKER_DELIVER_COUNT);
  free_buffers(worker, worker + WORKER_DELIVER_BUFFERS, n);
  count(worker, COUNTER_TUN_TX, n - U32(worker, WORKER_DELIVER_FAILED));
  U32(worker, WORKER_DELIVER_FAILED) = 0;
  U32(worker, WORKER_DELIVER_COUNT) = 0;
  uint32_t held = U32(worker, WORKER_HELD_COUNT), me = U32(worker, WORKER_INDEX) + 1;
  for (uint32_t i = 0; i < held; i++) {
    uint8_t *session = AT(U32(worker, WORKER_HELD + i * 4));
    uint32_t place = LOAD32(session, SESSION_HEAD) & U32(session, SESSION_MASK), owner = me;
    if (LOAD32(AT(U32(session, SESSION_RING)), place * 4)) unreached();
    if (!__atomic_compare_exchange_n(WORD32(session, SESSION_LOCK), &owner, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
      unreached();
  }
  U32(worker, WORKER_HELD_COUNT) = 0;
  return 0;
}

/* Nanoseconds of one batch whose packets lie ready: decapsulation, resequencer, counting what was written. */
double decapsulate_ready(uint8_t *m, uint32_t worker_address, double now) {
  uint8_t *worker = AT(worker_address);
  double start = now_ns();
  decapsulate_batch(m, worker, 0, 0, BATCH, (uint64_t)now);
  deliveries_done(m, worker, (uint64_t)now);
  return now_ns() - start;
}

/* Nanoseconds of `batches` batches through the resequencer alone: assembly/bench-kernels.ts has the other twin. */
double resequence_batches(uint8_t *m, uint32_t worker_address, uint32_t session_address, uint32_t order, uint32_t from,
                          uint32_t batches, double start_time) {
  uint8_t *worker = AT(worker_address), *session = AT(session_address);
  uint8_t *config = AT(LOAD32(session, SESSION_CONFIG));
  uint64_t now = (uint64_t)start_time;
  double start = now_ns();
  for (uint32_t batch = 0; batch < batches; batch++) {
    U64(worker, WORKER_NOW) = now;
    for (uint32_t i = 0; i < BATCH; i++) {
      uint32_t place = *AT(order + i), sequence = from + place;
      uint8_t *buffer = allocate_buffer(m, worker), *path = AT(U32(config, CONFIG_PATH_LIST + (place & 1) * 4));
      arrive(m, worker, session, path, buffer, buffer + BUFFER_PACKET, 1400, sequence, now);
    }
    settle(m, worker);
    deliveries_done(m, worker, now);
    from += BATCH;
    now += 100;
  }
  return now_ns() - start;
}
