/*
 * What the C twins of the hot path share: the shared memory by the names of assembly/layout.ts (layout.h is made from it, see
 * bench/twins.ts), packet buffers, counters, tables, checksums, the inner packet. Every function does what its namesake in
 * assembly/ does, on the same octets; bench/twins.ts compares the whole memory afterwards. What the benchmarked packets never
 * need is not there: unreached() ends the program.
 */
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "layout.h"

typedef uint16_t __attribute__((may_alias, aligned(1))) any16;
typedef uint32_t __attribute__((may_alias, aligned(1))) any32;
typedef uint64_t __attribute__((may_alias, aligned(1))) any64;
#define U8(at, field) (*((at) + (field)))
#define U16(at, field) (*(any16 *)((at) + (field)))
#define U32(at, field) (*(any32 *)((at) + (field)))
#define U64(at, field) (*(any64 *)((at) + (field)))

/* Atomic words are aligned; sequentially consistent, as WebAssembly's are. */
typedef uint32_t __attribute__((may_alias)) word32;
typedef uint64_t __attribute__((may_alias)) word64;
#define WORD32(at, field) ((word32 *)((at) + (field)))
#define WORD64(at, field) ((word64 *)((at) + (field)))
#define LOAD32(at, field) __atomic_load_n(WORD32(at, field), __ATOMIC_SEQ_CST)
#define LOAD64(at, field) __atomic_load_n(WORD64(at, field), __ATOMIC_SEQ_CST)
/* What the control thread publishes while workers read it; a plain load on x86, but one that C may not make twice or leave out. */
#define PUBLISHED32(at, field) __atomic_load_n(WORD32(at, field), __ATOMIC_ACQUIRE)
#define PUBLISHED64(at, field) __atomic_load_n(WORD64(at, field), __ATOMIC_ACQUIRE)
#define STORE32(at, field, value) __atomic_store_n(WORD32(at, field), (value), __ATOMIC_SEQ_CST)

/* pipeline/warm.ts */
#define MANY_SESSIONS 1000

/* An address in the shared memory, and back. */
#define AT(address) (m + (uint32_t)(address))
#define ADDRESS(at) ((uint32_t)((at) - m))
#define CONTROL_BLOCK (m + CONTROL)

/* memory/shared.ts: locked, unless there is one worker alone. */
#define ALONE (U32(CONTROL_BLOCK, CONTROL_WORKER_COUNT) == 1)
static inline void store_shared(uint8_t *m, uint8_t *at, uint32_t value) {
  if (ALONE) U32(at, 0) = value;
  else STORE32(at, 0, value);
}
static inline uint64_t add_shared64(uint8_t *m, uint8_t *at, uint64_t value) {
  if (!ALONE) return __atomic_fetch_add(WORD64(at, 0), value, __ATOMIC_SEQ_CST);
  uint64_t before = U64(at, 0);
  U64(at, 0) = before + value;
  return before;
}

#define unreached() abort()
#define unlikely(condition) __builtin_expect(!!(condition), 0)

static inline uint32_t be16(const uint8_t *at) { return __builtin_bswap16(U16((uint8_t *)at, 0)); }
static inline uint32_t be32(const uint8_t *at) { return __builtin_bswap32(U32((uint8_t *)at, 0)); }
static inline void put_be16(uint8_t *at, uint32_t value) { U16(at, 0) = __builtin_bswap16((uint16_t)value); }
static inline void put_be32(uint8_t *at, uint32_t value) { U32(at, 0) = __builtin_bswap32(value); }

static inline double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

/* ------------------------------------------------------------------------------------------- stats.ts */

static inline void count(uint8_t *worker, uint32_t counter, uint64_t by) {
  U64(worker, WORKER_COUNTERS + counter) += by;
}

static inline void count_drop(uint8_t *worker, uint32_t reason) { U64(worker, WORKER_DROPS + reason * 8)++; }

/* ------------------------------------------------------------------------------------ memory/buffers.ts */

static inline uint8_t *allocate_buffer(uint8_t *m, uint8_t *worker) {
  uint32_t free = U32(worker, WORKER_FREE_COUNT);
  if (unlikely(!free)) unreached();
  U32(worker, WORKER_FREE_COUNT) = --free;
  uint8_t *buffer = AT(U32(worker, WORKER_FREE + free * 4));
  U64(buffer, BUFFER_SUM) = 0;
  return buffer;
}

static inline void free_buffer(uint8_t *m, uint8_t *worker, uint8_t *buffer) {
  uint32_t free = U32(worker, WORKER_FREE_COUNT);
  if (unlikely(free == FREE_MAX)) unreached();
  U32(buffer, BUFFER_OWNER) = U32(worker, WORKER_INDEX) + 1;
  U32(worker, WORKER_FREE + free * 4) = ADDRESS(buffer);
  U32(worker, WORKER_FREE_COUNT) = free + 1;
}

static inline void free_buffers(uint8_t *worker, const uint8_t *list, uint32_t count) {
  uint32_t free = U32(worker, WORKER_FREE_COUNT);
  if (unlikely(free + count > FREE_MAX)) unreached();
  memcpy(worker + WORKER_FREE + free * 4, list, count * 4);
  U32(worker, WORKER_FREE_COUNT) = free + count;
}

static inline void drop(uint8_t *m, uint8_t *worker, uint8_t *buffer, uint32_t reason) {
  count_drop(worker, reason);
  free_buffer(m, worker, buffer);
}

/* ----------------------------------------------------------------------------------- pipeline/receive.ts */

static inline uint32_t buffer_capacity(uint8_t *m) {
  uint32_t capacity = U32(CONTROL_BLOCK, CONTROL_BUFFER_SIZE) - BUFFER_PACKET;
  return capacity < SUPER_FRONT ? capacity : SUPER_FRONT;
}

/* For in-memory ports and sockets without UDP_GRO: places never hold super-packets. */
static inline void prepare_receive(uint8_t *m, uint8_t *worker, uint32_t places) {
  uint64_t base = U64(CONTROL_BLOCK, CONTROL_HOST_BASE);
  if (U32(worker, WORKER_SUPERS) && U32(CONTROL_BLOCK, CONTROL_TUN_OFFLOAD) & TUN_OFFLOAD_VNET) unreached();
  for (uint32_t i = 0; i < places; i++) {
    uint8_t *place = worker + WORKER_RECEIVE_BUFFERS + i * 4;
    uint8_t *header = worker + WORKER_RECEIVE_HEADERS + i * MMSGHDR_SIZE;
    uint8_t *iovec = worker + WORKER_RECEIVE_IOVECS + i * RECEIVE_IOVECS * IOVEC_SIZE;
    if (!U32(place, 0)) {
      uint8_t *buffer = allocate_buffer(m, worker);
      U32(place, 0) = ADDRESS(buffer);
      /* The first batch, which WebAssembly takes, lays the rest of the place. */
      if (U64(header, MMSGHDR_NAME) != base + ADDRESS(worker + WORKER_RECEIVE_NAMES + i * NAME_SIZE)) unreached();
      U64(iovec, 16) = base + ADDRESS(buffer + BUFFER_PACKET);
    }
    U64(header, MMSGHDR_IOV) = base + ADDRESS(iovec + IOVEC_SIZE);
    U64(header, MMSGHDR_IOVLEN) = 1;
    U32(header, MMSGHDR_NAMELEN) = NAME_SIZE;
    U64(header, MMSGHDR_CONTROLLEN) = RECEIVE_CONTROL_SIZE;
    U32(header, MMSGHDR_FLAGS) = 0;
  }
}

static inline uint8_t *take_received(uint8_t *m, uint8_t *worker, uint32_t i) {
  uint32_t buffer = U32(worker, WORKER_RECEIVE_BUFFERS + i * 4);
  U32(worker, WORKER_RECEIVE_BUFFERS + i * 4) = 0;
  return AT(buffer);
}

/* ------------------------------------------------------- memory/tables.ts, classify/prefix-table.ts */

static inline uint64_t home(uint8_t *m, uint64_t key, uint64_t bits) {
  return ((key ^ U64(CONTROL_BLOCK, CONTROL_HASH_SEED)) * 0x9f9d9f9f619d5ea1ull) >> (64 - bits);
}

static inline uint32_t find4(uint8_t *m, uint64_t reference, uint32_t key) {
  uint64_t bits = reference >> 32;
  if (!bits) return 0;
  uint64_t mask = (1ull << bits) - 1, at = home(m, key, bits);
  for (uint64_t i = 0; i <= mask; i++) {
    uint8_t *entry = AT(reference) + at * TABLE_ENTRY4;
    uint32_t value = PUBLISHED32(entry, 4);
    if (!value) return 0;
    if (U32(entry, 0) == key && value != (uint32_t)TABLE_TOMBSTONE) return value;
    at = (at + 1) & mask;
  }
  return 0;
}

static inline uint32_t find8(uint8_t *m, uint64_t reference, uint64_t key) {
  uint64_t bits = reference >> 32;
  if (!bits) return 0;
  uint64_t mask = (1ull << bits) - 1, at = home(m, key, bits);
  for (uint64_t i = 0; i <= mask; i++) {
    uint8_t *entry = AT(reference) + at * TABLE_ENTRY8;
    uint32_t value = PUBLISHED32(entry, 8);
    if (!value) return 0;
    if (U64(entry, 0) == key && value != (uint32_t)TABLE_TOMBSTONE) return value;
    at = (at + 1) & mask;
  }
  return 0;
}

static inline uint32_t find16(uint8_t *m, uint64_t reference, uint64_t high, uint64_t low, uint32_t extra) {
  uint64_t bits = reference >> 32;
  if (!bits) return 0;
  uint64_t mixed = (high ^ (low << 29 | low >> 35) ^ ((uint64_t)extra << 17)) * 0xff51afd7ed558ccdull + low;
  uint64_t mask = (1ull << bits) - 1, at = home(m, mixed, bits);
  for (uint64_t i = 0; i <= mask; i++) {
    uint8_t *entry = AT(reference) + at * TABLE_ENTRY16;
    uint32_t value = PUBLISHED32(entry, 20);
    if (!value) return 0;
    if (U64(entry, 0) == high && U64(entry, 8) == low && U32(entry, 16) == extra && value != (uint32_t)TABLE_TOMBSTONE)
      return value;
    at = (at + 1) & mask;
  }
  return 0;
}

static inline uint32_t find_session4(uint8_t *m, const uint8_t *at) {
  uint32_t address = U32((uint8_t *)at, 0);
  uint64_t lengths = PUBLISHED64(CONTROL_BLOCK, CONTROL_LENGTHS4);
  while (lengths) {
    int length = 63 - __builtin_clzll(lengths);
    lengths ^= 1ull << length;
    uint32_t key = length == 32 ? address : address & __builtin_bswap32(~(~0u >> length));
    uint32_t value = find4(m, PUBLISHED64(CONTROL_BLOCK, CONTROL_PREFIX_TABLES4 + length * 8), key);
    if (value) return value;
  }
  return 0;
}

/* /64 prefixes are the only ones that are longer than /63 here. */
static inline uint32_t find_session6(uint8_t *m, const uint8_t *at) {
  uint64_t high = U64((uint8_t *)at, 0), word = PUBLISHED64(CONTROL_BLOCK, CONTROL_LENGTHS6 + 8);
  if (PUBLISHED64(CONTROL_BLOCK, CONTROL_LENGTHS6 + 16) | (word & ~1ull)) unreached();
  if (word & 1) {
    uint32_t value = find8(m, PUBLISHED64(CONTROL_BLOCK, CONTROL_PREFIX_TABLES6 + 64 * 8), high);
    if (value) return value;
  }
  for (uint64_t lengths = PUBLISHED64(CONTROL_BLOCK, CONTROL_LENGTHS6); lengths;) {
    int length = 63 - __builtin_clzll(lengths);
    lengths ^= 1ull << length;
    uint64_t reference = PUBLISHED64(CONTROL_BLOCK, CONTROL_PREFIX_TABLES6 + length * 8);
    uint32_t value = find8(m, reference, high & __builtin_bswap64(~(~0ull >> length)));
    if (value) return value;
  }
  return 0;
}

/* --------------------------------------------------------- wire/checksum.ts, wire/ip.ts, wire/tcp-mss.ts */

static inline uint64_t checksum_add(uint64_t sum, const uint8_t *at, uint32_t length) {
  const uint8_t *end = at + (length & ~3u);
  for (; at < end; at += 4) sum += U32((uint8_t *)at, 0);
  if (length & 2) {
    sum += U16((uint8_t *)at, 0);
    at += 2;
  }
  if (length & 1) sum += *at;
  return sum;
}

static inline uint32_t checksum_fold(uint64_t sum) {
  uint32_t half = (uint32_t)((sum + (sum << 32 | sum >> 32)) >> 32);
  return (half + (half << 16 | half >> 16)) >> 16;
}

static inline uint16_t checksum_finish(uint64_t sum) { return (uint16_t)~checksum_fold(sum); }

static inline uint64_t pseudo_header4(const uint8_t *header, uint32_t length, uint32_t protocol) {
  return checksum_add(0, header + 12, 8) + __builtin_bswap16((uint16_t)length) + (protocol << 8);
}

static inline int32_t check_inner(const uint8_t *at, uint32_t length) {
  if (length < 20) return -DROP_INNER_TRUNCATED;
  uint32_t version = at[0] >> 4;
  if (version == 4) {
    uint32_t header = (at[0] & 15) << 2;
    uint32_t total = be16(at + 2);
    if (header < 20 || total < header) return -DROP_INNER_MALFORMED;
    if (total > length) return -DROP_INNER_TRUNCATED;
    if (checksum_fold(checksum_add(0, at, header)) != 0xffff) return -DROP_INNER_CHECKSUM;
    if (!at[8]) return -DROP_INNER_EXPIRED;
    return (int32_t)total;
  }
  if (version != 6) return -DROP_INNER_MALFORMED;
  if (length < 40) return -DROP_INNER_TRUNCATED;
  uint32_t payload = be16(at + 4);
  if (payload + 40 > length) return -DROP_INNER_TRUNCATED;
  if (!payload && !at[6]) return -DROP_INNER_MALFORMED;
  if (!at[7]) return -DROP_INNER_EXPIRED;
  return (int32_t)payload + 40;
}

/* The inner packets of the bench are UDP in IPv4: a TCP header or extension headers are not walked. */
static inline int clamp_mss(const uint8_t *at, uint32_t family) {
  if (family != 4) unreached();
  if (at[9] != 6 || be16(at + 6) & 0x1fff) return 0;
  uint32_t tcp = (at[0] & 15) << 2;
  if (!(at[tcp + 13] & 2)) return 0;
  unreached();
}
