/* The C twin of assembly/pipeline/encapsulation.ts and send.ts; see hot-path.h. */
#include "hot-path.h"

#define CMSG_SHORT 18ull
#define CMSG_INT 20ull
#define CMSG_SPACE_OCTETS 24ull
#define IP_LEVEL_TOS 0x100000000ull
#define IPV6_LEVEL_TCLASS 0x4300000029ull
#define UDP_LEVEL_SEGMENT 0x6700000011ull
#define SEGMENTS_MAX 64
#define MESSAGE_MAX 65507
#define PROTOCOL_UDP 17

/* --------------------------------------------------------------------------------- schedule/weighted.ts */

static inline uint8_t *path_of_ticket(uint8_t *m, uint8_t *config, uint64_t ticket) {
  uint32_t period = U32(config, CONFIG_PERIOD), position = 0;
  if (period <= 1) {
    if (!period) return NULL;
  } else {
    uint64_t turn = ticket - U64(config, CONFIG_ORIGIN);
    position = turn >> 32 ? (uint32_t)(turn % period) : (uint32_t)turn % period;
  }
  uint32_t ordinal = *AT(U32(config, CONFIG_SCHEDULE) + position);
  return AT(U32(config, CONFIG_PATH_LIST + ordinal * 4));
}

/* -------------------------------------------------------------------------------- tunnel/encapsulate.ts */

static inline uint32_t outer_tos(uint8_t *path, uint8_t *inner, uint32_t family) {
  uint32_t flags = U32(path, PATH_FLAGS);
  uint32_t tos = family == 4 ? inner[1] : (be32(inner) >> 20) & 0xff;
  uint32_t dscp = flags & PATH_FLAG_DSCP_COPY ? tos & 0xfc : U32(path, PATH_TOS);
  return flags & PATH_FLAG_ECN_COPY ? dscp | (tos & 3) : dscp;
}

static inline void write_gre(uint8_t *path, uint32_t flags, uint8_t *gre, uint32_t family, uint32_t length,
                             uint32_t sequence) {
  put_be16(gre + 2, family == 4 ? 0x0800 : 0x86dd);
  if (flags & PATH_FLAG_SEQUENCE) put_be32(gre + U32(path, PATH_SEQUENCE_OFFSET), sequence);
  if (flags & PATH_FLAG_GRE_CHECKSUM) U16(gre, 4) = checksum_finish(checksum_add(0, gre, length));
}

static inline void write_udp(uint8_t *path, uint32_t flags, uint8_t *outer, uint32_t offset, uint32_t length) {
  uint8_t *udp = outer + offset;
  put_be16(udp + 4, length);
  uint32_t tlv = U32(path, PATH_TLV_OFFSET);
  if (tlv) put_be16(outer + tlv + 2, length - 12);
  if (flags & PATH_FLAG_UDP_CHECKSUM) {
    if (flags & PATH_FLAG_OUTER6) unreached();
    uint16_t sum = checksum_finish(checksum_add(pseudo_header4(outer, length, PROTOCOL_UDP), udp, length));
    U16(udp, 6) = sum ? sum : 0xffff;
  }
}

static inline uint8_t *encapsulate_packet(uint8_t *path, uint8_t *inner, uint32_t family, uint32_t length,
                                          uint32_t sequence, uint32_t tos) {
  uint32_t flags = U32(path, PATH_FLAGS), header_length = U32(path, PATH_HEADER_LENGTH);
  memcpy(inner - 48, path + PATH_TEMPLATE_END - 48, 48);
  for (uint32_t done = 48; done < header_length; done += 16)
    memcpy(inner - done - 16, path + PATH_TEMPLATE_END - done - 16, 16);
  uint8_t *outer = inner - header_length;
  uint32_t total = header_length + length;
  uint32_t protocol_offset = U32(path, PATH_PROTOCOL_OFFSET);
  if (protocol_offset) outer[protocol_offset] = family == 4 ? 4 : 41;
  uint32_t gre = U32(path, PATH_GRE_OFFSET);
  if (gre) write_gre(path, flags, outer + gre, family, total - gre, sequence);
  if (flags & PATH_FLAG_OUTER6) {
    put_be32(outer, 0x60000000 | (tos << 20));
    put_be16(outer + 4, total - 40);
  } else {
    uint8_t *template = path + PATH_TEMPLATE_END - header_length;
    uint32_t start = U32(template, 0) | tos << 8 | (uint32_t)__builtin_bswap16((uint16_t)total) << 16;
    uint32_t second = U32(template, 4) | __builtin_bswap16((uint16_t)sequence);
    if (flags & PATH_FLAG_DF_COPY && (family == 6 || inner[6] & 0x40)) second |= 0x400000;
    uint32_t third = U32(template, 8) | (protocol_offset ? (family == 4 ? 4 : 41) << 8 : 0);
    uint64_t sum = (uint64_t)start + second + third + U32(template, 12) + U32(template, 16);
    U32(outer, 0) = start;
    U32(outer, 4) = second;
    U32(outer, 8) = third | (uint32_t)checksum_finish(sum) << 16;
  }
  uint32_t udp = U32(path, PATH_UDP_OFFSET);
  if (udp) write_udp(path, flags, outer, udp, total - udp);
  return outer;
}

/* ------------------------------------------------------------------------------------ pipeline/send.ts */

static inline void queue_send(uint8_t *m, uint8_t *worker, uint8_t *path, uint8_t *outer, uint32_t length, uint32_t tos,
                              uint8_t *buffer) {
  uint32_t n = U32(worker, WORKER_SEND_COUNT), skip = U32(path, PATH_KERNEL_LENGTH);
  uint8_t *at = worker + n * 4;
  U32(at, WORKER_SEND_ADDRESSES) = ADDRESS(outer) + skip;
  U32(at, WORKER_SEND_LENGTHS) = length - skip;
  U32(at, WORKER_SEND_BUFFERS) = ADDRESS(buffer);
  U32(at, WORKER_SEND_PATHS) = ADDRESS(path);
  U32(at, WORKER_SEND_TOS) = tos;
  U32(at, WORKER_SEND_PLACES) = 0;
  U32(worker, WORKER_SEND_COUNT) = n + 1;
}

static inline uint8_t *path_group_at(uint8_t *worker, uint32_t number) {
  return worker + WORKER_PATH_GROUPS + number * PATH_GROUP_STRIDE;
}

static inline uint8_t *group_at(uint8_t *worker, uint32_t number) {
  return worker + WORKER_GROUPS + number * GROUP_STRIDE;
}

static inline any16 *hash_place(uint8_t *worker, uint32_t slot) {
  return (any16 *)(worker + WORKER_PATH_GROUP_OF) + (slot & ((1 << PATH_GROUP_HASH_BITS) - 1));
}

static uint32_t form_path_groups(uint8_t *m, uint8_t *worker, uint32_t n) {
  uint32_t groups = 0, last_path = 0, last_number = 0;
  for (uint32_t i = 0; i < n; i++) {
    uint8_t *at = worker + i * 4;
    if (U32(at, WORKER_SEND_PLACES) == SEND_SETTLED) continue;
    uint32_t path = U32(at, WORKER_SEND_PATHS), number = last_number;
    if (path != last_path) {
      uint32_t slot = ((path >> 6) * 0x9e3779b1u) >> (32 - PATH_GROUP_HASH_BITS);
      uint32_t entry = *hash_place(worker, slot);
      while (entry && U32(path_group_at(worker, entry - 1), PATH_GROUP_PATH) != path)
        entry = *hash_place(worker, ++slot);
      if (!entry) {
        entry = ++groups;
        *hash_place(worker, slot) = (uint16_t)entry;
        uint8_t *record = path_group_at(worker, entry - 1);
        U32(record, PATH_GROUP_PATH) = path;
        U32(record, PATH_GROUP_COUNT) = 0;
        U32(record, PATH_GROUP_NEXT) = 0;
        U32(record, PATH_GROUP_NEXT_PLACE) = slot;
        U32(record, PATH_GROUP_LINK) = LOAD32(AT(U32(AT(path), PATH_LINK)), 0);
      }
      number = entry - 1;
      last_path = path;
      last_number = number;
    }
    U32(path_group_at(worker, number), PATH_GROUP_COUNT)++;
    U32(at, WORKER_SEND_PLACES) = number;
  }
  for (uint32_t g = 0; g < groups; g++) *hash_place(worker, U32(path_group_at(worker, g), PATH_GROUP_NEXT_PLACE)) = 0;
  return groups;
}

static uint32_t form_groups(uint8_t *m, uint8_t *worker, uint32_t path_groups) {
  uint32_t groups = 0;
  any16 *map = (any16 *)(worker + WORKER_GROUP_OF);
  for (uint32_t g = 0; g < path_groups; g++) {
    uint32_t link = U32(path_group_at(worker, g), PATH_GROUP_LINK);
    uint32_t endpoint = link ? U32(AT(link), LINK_ENDPOINT)
                             : U32(AT(U32(path_group_at(worker, g), PATH_GROUP_PATH)), PATH_ENDPOINT);
    uint32_t number = map[endpoint];
    if (!number) {
      number = ++groups;
      map[endpoint] = (uint16_t)number;
      U32(group_at(worker, number - 1), GROUP_ENDPOINT) = endpoint;
      U32(group_at(worker, number - 1), GROUP_HEAD) = g + 1;
    } else {
      U32(path_group_at(worker, U32(group_at(worker, number - 1), GROUP_TAIL) - 1), PATH_GROUP_NEXT) = g + 1;
    }
    U32(group_at(worker, number - 1), GROUP_TAIL) = g + 1;
  }
  for (uint32_t g = 0; g < groups; g++) map[U32(group_at(worker, g), GROUP_ENDPOINT)] = 0;
  return groups;
}

static void give_places(uint8_t *worker, uint32_t groups) {
  uint32_t place = 0;
  for (uint32_t g = 0; g < groups; g++) {
    uint8_t *group = group_at(worker, g);
    U32(group, GROUP_FIRST) = place;
    uint32_t number = U32(group, GROUP_HEAD);
    while (number) {
      uint8_t *path_group = path_group_at(worker, number - 1);
      U32(path_group, PATH_GROUP_NEXT_PLACE) = place;
      place += U32(path_group, PATH_GROUP_COUNT);
      number = U32(path_group, PATH_GROUP_NEXT);
    }
    U32(group, GROUP_TAIL) = place;
  }
}

static inline uint8_t *packet_at(uint8_t *worker, uint32_t place) {
  return worker + U32(worker, WORKER_SEND_ORDER + place * 4) * 4;
}

static inline void lay_iovec(uint8_t *worker, uint64_t base, uint32_t place) {
  uint8_t *packet = packet_at(worker, place), *iovec = worker + WORKER_SEND_IOVECS + place * IOVEC_SIZE;
  U64(iovec, 0) = base + U32(packet, WORKER_SEND_ADDRESSES);
  U64(iovec, 8) = U32(packet, WORKER_SEND_LENGTHS);
}

static uint32_t lay_run(uint8_t *worker, uint64_t base, uint32_t first, uint32_t end) {
  lay_iovec(worker, base, first);
  uint8_t *packet = packet_at(worker, first);
  uint32_t path = U32(packet, WORKER_SEND_PATHS), tos = U32(packet, WORKER_SEND_TOS);
  uint32_t length = U32(packet, WORKER_SEND_LENGTHS), sum = length, packets = 1;
  while (first + packets < end && packets < SEGMENTS_MAX) {
    uint8_t *next = packet_at(worker, first + packets);
    uint32_t octets = U32(next, WORKER_SEND_LENGTHS);
    if (U32(next, WORKER_SEND_PATHS) != path || U32(next, WORKER_SEND_TOS) != tos || octets > length ||
        sum + octets > MESSAGE_MAX)
      break;
    lay_iovec(worker, base, first + packets);
    packets++;
    sum += octets;
    if (octets < length) break;
  }
  return packets;
}

static void lay_message(uint8_t *m, uint8_t *worker, uint64_t base, uint32_t message, uint32_t place, uint32_t packets,
                        uint32_t mode) {
  U32(worker, WORKER_MESSAGE_FIRST + message * 4) = place;
  U32(worker, WORKER_MESSAGE_PACKETS + message * 4) = packets;
  U32(worker, WORKER_MESSAGE_ERRORS + message * 4) = 0;
  uint8_t *packet = packet_at(worker, place), *path = AT(U32(packet, WORKER_SEND_PATHS));
  uint8_t *header = worker + WORKER_SEND_HEADERS + message * MMSGHDR_SIZE;
  uint8_t *control = worker + WORKER_SEND_CONTROLS + message * CONTROL_MESSAGE_SIZE;
  uint32_t link = U32(worker, WORKER_SEND_LINKS + place * 4);
  U64(header, MMSGHDR_NAME) = base + (link ? link + LINK_SOCKADDR : ADDRESS(path + PATH_SOCKADDR));
  U32(header, MMSGHDR_NAMELEN) = link ? LINK_SOCKADDR_LENGTH : U32(path, PATH_SOCKADDR_LENGTH);
  U64(header, MMSGHDR_IOV) = base + ADDRESS(worker + WORKER_SEND_IOVECS + place * IOVEC_SIZE);
  U64(header, MMSGHDR_IOVLEN) = packets;
  uint64_t octets = 0;
  uint32_t tos = U32(packet, WORKER_SEND_TOS);
  if (tos && (mode == MODE_UDP4 || mode == MODE_UDP6)) {
    U64(control, 0) = CMSG_INT;
    U64(control, 8) = mode == MODE_UDP4 ? IP_LEVEL_TOS : IPV6_LEVEL_TCLASS;
    U32(control, 16) = tos;
    octets = CMSG_SPACE_OCTETS;
  }
  if (packets > 1) {
    U64(control, octets) = CMSG_SHORT;
    U64(control, octets + 8) = UDP_LEVEL_SEGMENT;
    U32(control, octets + 16) = U32(packet, WORKER_SEND_LENGTHS);
    octets += CMSG_SPACE_OCTETS;
  }
  U64(header, MMSGHDR_CONTROL) = octets ? base + ADDRESS(control) : 0;
  U64(header, MMSGHDR_CONTROLLEN) = octets;
}

static void lay_messages(uint8_t *m, uint8_t *worker, uint32_t groups) {
  uint64_t base = U64(CONTROL_BLOCK, CONTROL_HOST_BASE);
  uint32_t message = 0;
  for (uint32_t g = 0; g < groups; g++) {
    uint8_t *group = group_at(worker, g);
    uint8_t *endpoint = AT(U32(CONTROL_BLOCK, CONTROL_ENDPOINTS) + U32(group, GROUP_ENDPOINT) * ENDPOINT_STRIDE);
    int merge = (LOAD32(endpoint, ENDPOINT_OFFLOAD) & ENDPOINT_OFFLOAD_SEGMENT) != 0;
    uint32_t mode = U32(endpoint, ENDPOINT_MODE), place = U32(group, GROUP_FIRST), end = U32(group, GROUP_TAIL);
    uint32_t first = message;
    while (place < end) {
      uint32_t packets = 1;
      if (merge)
        packets = lay_run(worker, base, place, end);
      else
        lay_iovec(worker, base, place);
      lay_message(m, worker, base, message, place, packets, mode);
      place += packets;
      message++;
    }
    U32(group, GROUP_FIRST) = first;
    U32(group, GROUP_COUNT) = message - first;
  }
  U32(worker, WORKER_MESSAGE_COUNT) = message;
}

static void group_sends(uint8_t *m, uint8_t *worker) {
  uint32_t n = U32(worker, WORKER_SEND_COUNT);
  uint32_t groups = form_groups(m, worker, form_path_groups(m, worker, n));
  give_places(worker, groups);
  for (uint32_t i = 0; i < n; i++) {
    uint32_t number = U32(worker, WORKER_SEND_PLACES + i * 4);
    if (number == SEND_SETTLED) continue;
    uint8_t *path_group = path_group_at(worker, number);
    uint32_t place = U32(path_group, PATH_GROUP_NEXT_PLACE)++;
    U32(worker, WORKER_SEND_PLACES + i * 4) = place;
    U32(worker, WORKER_SEND_ORDER + place * 4) = i;
    U32(worker, WORKER_SEND_LINKS + place * 4) = U32(path_group, PATH_GROUP_LINK);
  }
  lay_messages(m, worker, groups);
  U32(worker, WORKER_GROUP_COUNT) = groups;
}

static void sends_done(uint8_t *m, uint8_t *worker) {
  uint32_t n = U32(worker, WORKER_SEND_COUNT);
  uint64_t row = (uint64_t)U32(worker, WORKER_INDEX) * U32(CONTROL_BLOCK, CONTROL_PATH_CAPACITY);
  uint8_t *stats = AT(U32(CONTROL_BLOCK, CONTROL_PATH_STATS)) + row * PATH_STAT_STRIDE;
  uint64_t sent = 0, merged = 0;
  for (uint32_t i = 0; i < n; i++) {
    uint8_t *packet = worker + i * 4;
    uint32_t length = U32(packet, WORKER_SEND_LENGTHS);
    if (length) {
      uint8_t *path = AT(U32(packet, WORKER_SEND_PATHS));
      uint8_t *at = stats + U32(path, PATH_NUMBER) * PATH_STAT_STRIDE;
      U64(at, PATH_STAT_TX_PACKETS)++;
      U64(at, PATH_STAT_TX_BYTES) += (uint64_t)length + U32(path, PATH_KERNEL_LENGTH);
      sent++;
    }
  }
  free_buffers(worker, worker + WORKER_SEND_BUFFERS, n);
  count(worker, COUNTER_PATH_TX, sent);
  uint32_t messages = U32(worker, WORKER_MESSAGE_COUNT);
  for (uint32_t i = 0; i < messages; i++) merged += U32(worker, WORKER_MESSAGE_PACKETS + i * 4) > 1;
  if (merged) count(worker, COUNTER_PATH_TX_MERGED, merged);
  U32(worker, WORKER_SEND_COUNT) = 0;
  U32(worker, WORKER_GROUP_COUNT) = 0;
  U32(worker, WORKER_MESSAGE_COUNT) = 0;
}

/* --------------------------------------------------------------------------- pipeline/encapsulation.ts */

static uint8_t *find_session(uint8_t *m, uint8_t *inner) {
  int by_source = U32(CONTROL_BLOCK, CONTROL_ROLE) == ROLE_MAG;
  uint32_t number = inner[0] >> 4 == 4 ? find_session4(m, inner + (by_source ? 12 : 16))
                                       : find_session6(m, inner + (by_source ? 8 : 24));
  return number ? AT(U32(CONTROL_BLOCK, CONTROL_SESSIONS)) + (uint64_t)(number - 1) * SESSION_STRIDE : NULL;
}


static inline void encapsulate_one(uint8_t *m, uint8_t *worker, uint8_t *buffer, uint32_t length) {
  uint8_t *inner = buffer + BUFFER_PACKET;
  int32_t total = check_inner(inner, length);
  if (total < 0) return drop(m, worker, buffer, (uint32_t)-total);
  uint32_t family = inner[0] >> 4;
  uint8_t *session = find_session(m, inner);
  if (!session) return drop(m, worker, buffer, DROP_NO_SESSION);
  uint32_t published = PUBLISHED32(session, SESSION_CONFIG);
  if (!published) return drop(m, worker, buffer, DROP_NO_SESSION);
  uint8_t *config = AT(published);
  if (U32(config, CONFIG_FLAGS) & CONFIG_FLAG_INNER_PROBES) unreached();
  uint32_t mtu = family == 4 ? U32(config, CONFIG_INNER_MTU4) : U32(config, CONFIG_INNER_MTU6);
  if (U32(config, CONFIG_FLAGS) & CONFIG_FLAG_CLAMP_MSS && clamp_mss(inner, family))
    count(worker, COUNTER_MSS_CLAMPED, 1);
  if (U64(config, CONFIG_GROUP)) unreached();
  if ((uint32_t)total > mtu) unreached();
  uint64_t ticket = add_shared64(m, session + SESSION_TICKET, 1);
  uint8_t *path = path_of_ticket(m, config, ticket);
  if (!path) return drop(m, worker, buffer, DROP_NO_PATH);
  uint32_t tos = outer_tos(path, inner, family);
  uint8_t *outer = encapsulate_packet(path, inner, family, (uint32_t)total, (uint32_t)ticket, tos);
  queue_send(m, worker, path, outer, U32(path, PATH_HEADER_LENGTH) + (uint32_t)total, tos, buffer);
}

/* ------------------------------------------------------------------------------------ pipeline/warm.ts */

static void warm_sessions(uint8_t *m, uint8_t *worker, uint32_t first, uint32_t last) {
  uint8_t *list = worker + WORKER_WARM;
  uint32_t n = 0;
  uint64_t sum = 0;
  for (uint32_t i = first; i < last; i++) {
    uint8_t *session = find_session(m, AT(U32(worker, WORKER_RECEIVE_BUFFERS + i * 4)) + BUFFER_PACKET);
    if (!session) unreached();
    U32(list, n++ * 4) = ADDRESS(session);
  }
  for (uint32_t i = 0; i < n; i++) {
    uint8_t *session = AT(U32(list, i * 4));
    sum += U64(session, SESSION_TICKET) + U32(session, SESSION_CONFIG);
  }
  for (uint32_t i = 0; i < n; i++) {
    uint8_t *config = AT(U32(AT(U32(list, i * 4)), SESSION_CONFIG));
    sum += (uint64_t)U32(config, CONFIG_INNER_MTU6) + U32(config, CONFIG_PATH_LIST);
  }
  for (uint32_t i = 0; i < n; i++) {
    uint8_t *session = AT(U32(list, i * 4));
    uint8_t *path = path_of_ticket(m, AT(U32(session, SESSION_CONFIG)), U64(session, SESSION_TICKET));
    U32(list, i * 4) = ADDRESS(path);
    sum += U32(path, PATH_FLAGS) + U64(path, PATH_TEMPLATE_END - 8) + U64(path, PATH_TEMPLATE_END - 48);
  }
  U64(worker, WORKER_WARMED) = sum;
}

static uint32_t encapsulate_batch(uint8_t *m, uint8_t *worker, uint32_t first, uint32_t last, uint64_t now) {
  U64(worker, WORKER_NOW) = now;
  int offload = (LOAD32(CONTROL_BLOCK, CONTROL_TUN_OFFLOAD) & TUN_OFFLOAD_VNET) != 0;
  if (U32(CONTROL_BLOCK, CONTROL_SESSION_COUNT) >= MANY_SESSIONS) warm_sessions(m, worker, first, last);
  uint32_t i = first;
  /* Room for the pieces of one packet and copies of it, as MESSAGES_PER_PACKET and COPIES_PER_PACKET of distribute.ts. */
  while (i < last && SEND_MAX - U32(worker, WORKER_SEND_COUNT) >= 32 + 15 &&
         DELIVER_MAX - U32(worker, WORKER_DELIVER_COUNT)) {
    uint32_t length = U32(worker + WORKER_RECEIVE_HEADERS + i * MMSGHDR_SIZE, MMSGHDR_LEN);
    if (offload) unreached();
    uint8_t *buffer = take_received(m, worker, i);
    if (length > buffer_capacity(m))
      drop(m, worker, buffer, DROP_TOO_BIG);
    else
      encapsulate_one(m, worker, buffer, length);
    i++;
  }
  count(worker, COUNTER_TUN_RX, i - first);
  group_sends(m, worker);
  return i;
}

/* Nanoseconds of `batches` batches: receive vector, encapsulation, counting what was sent. */
double encapsulate_batches(uint8_t *m, uint32_t worker_address, uint32_t batches, double now) {
  uint8_t *worker = AT(worker_address);
  double start = now_ns();
  for (uint32_t i = 0; i < batches; i++) {
    prepare_receive(m, worker, BATCH);
    encapsulate_batch(m, worker, 0, BATCH, (uint64_t)now);
    sends_done(m, worker);
  }
  return now_ns() - start;
}

/* Nanoseconds of one batch whose packets lie ready. */
double encapsulate_ready(uint8_t *m, uint32_t worker_address, double now) {
  uint8_t *worker = AT(worker_address);
  double start = now_ns();
  encapsulate_batch(m, worker, 0, BATCH, (uint64_t)now);
  sends_done(m, worker);
  return now_ns() - start;
}

/* Nanoseconds of finding the sessions of `many` IPv6 addresses. */
double look_up_many(uint8_t *m, uint32_t list, uint32_t many, uint32_t *sum) {
  double start = now_ns();
  uint32_t found = 0;
  for (uint32_t i = 0; i < many; i++) found += find_session6(m, AT(list) + (uint64_t)i * 16);
  *sum = found;
  return now_ns() - start;
}

/* Nanoseconds of copying `many` packets of `length` octets, 2048 apart. */
double copy_packets(uint8_t *m, uint32_t to, uint32_t from, uint32_t length, uint32_t many) {
  double start = now_ns();
  for (uint32_t i = 0; i < many; i++) {
    memcpy(AT(to) + (uint64_t)i * 2048, AT(from) + (uint64_t)i * 2048, length);
    __asm__ volatile("" ::: "memory");
  }
  return now_ns() - start;
}

/* What reading the clock twice takes. */
double clock_cost(void) {
  double start = now_ns();
  return now_ns() - start;
}
