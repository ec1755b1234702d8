/* The C twin of the resequencer (assembly/reorder) and of pipeline/deliver.ts; see hot-path.h. */
#pragma once
#include "hot-path.h"

#define CLOCK_STEP 3
#define HALF_LIFE 1000000ull
#define PATIENCE 10000000ull
#define SILENT_SPACINGS 4

static inline int32_t distance(uint32_t from, uint32_t to) { return (int32_t)(to - from); }
static inline uint64_t elapsed(uint64_t then, uint64_t now) { return now > then ? now - then : 0; }
static inline uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }
static inline uint64_t least64(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* ----------------------------------------------------------------------------------- pipeline/deliver.ts */

static inline uint32_t delivery_room(uint8_t *worker) { return DELIVER_MAX - U32(worker, WORKER_DELIVER_COUNT); }

static inline void deliver(uint8_t *m, uint8_t *worker, uint8_t *packet, uint32_t length, uint8_t *buffer) {
  uint32_t n = U32(worker, WORKER_DELIVER_COUNT);
  uint8_t *iovec = worker + WORKER_DELIVER_IOVECS + n * IOVEC_SIZE;
  U64(iovec, 0) = U64(CONTROL_BLOCK, CONTROL_HOST_BASE) + ADDRESS(packet);
  U64(iovec, 8) = length;
  U32(worker, WORKER_DELIVER_BUFFERS + n * 4) = ADDRESS(buffer);
  U32(worker, WORKER_DELIVER_COUNT) = n + 1;
}

/* ----------------------------------------------------------------------- reorder/estimate.ts, history.ts */

static inline void note_arrival(uint8_t *m, uint8_t *path, uint8_t *session, uint32_t sequence, uint64_t now, int late) {
  U64(path, PATH_RX_CLOCK) = U64(session, SESSION_CLOCK);
  if (!U32(path, PATH_RX_SEEN)) {
    store_shared(m, path + PATH_RX_HIGHEST, sequence);
    U32(path, PATH_RX_SEEN) = 1;
    return;
  }
  int32_t ahead = distance(U32(path, PATH_RX_HIGHEST), sequence), window = (int32_t)U32(session, SESSION_MASK) + 1;
  if (ahead > 0) {
    if (late) U64(path, PATH_RX_PATIENCE) = now + PATIENCE;
    uint32_t spacing = U32(path, PATH_RX_SPACING), fallen = spacing - (spacing >> 3);
    uint32_t step = least((uint32_t)ahead, (uint32_t)window);
    U32(path, PATH_RX_SPACING) = fallen > step ? fallen : step;
    store_shared(m, path + PATH_RX_HIGHEST, sequence);
  } else if (ahead <= -window) {
    store_shared(m, path + PATH_RX_HIGHEST, sequence);
  } else if ((uint32_t)-ahead > U32(path, PATH_RX_SLACK)) {
    U32(path, PATH_RX_SLACK) = (uint32_t)-ahead;
    U64(path, PATH_RX_SLACK_TIME) = now;
  }
}

static inline uint32_t current_slack(uint8_t *path, uint64_t now) {
  uint32_t slack = U32(path, PATH_RX_SLACK);
  if (slack && elapsed(U64(path, PATH_RX_SLACK_TIME), now) > HALF_LIFE) {
    U32(path, PATH_RX_SLACK) = slack >> 1;
    U64(path, PATH_RX_SLACK_TIME) = now;
  }
  return slack;
}

static int32_t proven_ahead(uint8_t *m, uint8_t *session, uint8_t *config, uint32_t head, uint64_t now) {
  uint64_t max_wait = U32(config, CONFIG_MAX_WAIT), clock = U64(session, SESSION_CLOCK);
  uint32_t paths = U32(config, CONFIG_PATH_COUNT), highest = LOAD32(session, SESSION_HIGHEST);
  int32_t proven = INT32_MAX;
  for (uint32_t i = 0; i < paths; i++) {
    uint8_t *path = AT(U32(config, CONFIG_PATH_LIST + i * 4));
    uint32_t seen = U32(path, PATH_RX_SEEN), path_highest = LOAD32(path, PATH_RX_HIGHEST);
    int silent = elapsed(U64(path, PATH_RX_CLOCK), clock) > max_wait;
    if (!seen || silent) {
      int32_t missing = distance(path_highest, highest);
      int32_t expected = (int32_t)(SILENT_SPACINGS * U32(path, PATH_RX_SPACING));
      if (!silent || (seen && missing <= expected) || now < U64(path, PATH_RX_PATIENCE)) return 0;
      if (U64(path, PATH_RX_PROBED)) unreached();
      continue;
    }
    int32_t here = distance(head, path_highest - current_slack(path, now));
    if (here < proven) proven = here;
  }
  return proven == INT32_MAX ? 0 : proven;
}

static void note_lateness(uint8_t *session, uint32_t sample, uint64_t now) {
  if (U32(session, SESSION_LATENESS_SAMPLES) != UINT32_MAX) U32(session, SESSION_LATENESS_SAMPLES)++;
  uint32_t peak = U32(session, SESSION_LATENESS);
  if (sample > peak) {
    U32(session, SESSION_LATENESS) = sample;
    U64(session, SESSION_LATENESS_TIME) = now;
  } else if (elapsed(U64(session, SESSION_LATENESS_TIME), now) > HALF_LIFE) {
    U32(session, SESSION_LATENESS) = peak >> 1 > sample ? peak >> 1 : sample;
    U64(session, SESSION_LATENESS_TIME) = now;
  }
}

static inline uint32_t current_wait(uint8_t *session, uint8_t *config) {
  uint32_t max_wait = U32(config, CONFIG_MAX_WAIT), peak = U32(session, SESSION_LATENESS);
  if (!U32(session, SESSION_LATENESS_SAMPLES)) return max_wait;
  return least(peak + (peak >> 2) + U32(config, CONFIG_MIN_WAIT), max_wait);
}

static inline uint8_t *history_word(uint8_t *m, uint8_t *session, uint32_t sequence) {
  uint32_t bits = (U32(session, SESSION_MASK) << 1) | 1;
  return AT(U32(session, SESSION_HISTORY)) + ((sequence & bits) >> 5) * 4;
}

/* ----------------------------------------------------------------------- reorder/lock.ts, release.ts */

static int lock_or_mark(uint8_t *m, uint8_t *worker, uint8_t *session) {
  uint32_t me = U32(worker, WORKER_INDEX) + 1, now = LOAD32(session, SESSION_LOCK);
  if (now) {
    if ((now & 0xffff) == me) return 1;
    unreached();
  }
  uint32_t n = U32(worker, WORKER_HELD_COUNT);
  if (n == HELD_MAX) return 0;
  if (!__atomic_compare_exchange_n(WORD32(session, SESSION_LOCK), &now, me, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
    unreached();
  U32(worker, WORKER_HELD + n * 4) = ADDRESS(session);
  U32(worker, WORKER_HELD_COUNT) = n + 1;
  return 1;
}

static inline uint32_t advance(uint8_t *m, uint8_t *session, uint32_t head) {
  head++;
  if (!(head & 31)) STORE32(history_word(m, session, head + 32), 0, 0);
  store_shared(m, session + SESSION_HEAD, head);
  return head;
}

static inline void count_bucket(uint8_t *histogram, uint32_t value, uint32_t buckets) {
  uint32_t bucket = value ? 32 - (uint32_t)__builtin_clz(value) : 0;
  U64(histogram, least(bucket, buckets - 1) * 8)++;
}

static void measure_lateness(uint8_t *m, uint8_t *session, uint8_t *config, uint64_t arrival, uint8_t *ring,
                             uint32_t head, uint32_t mask, uint64_t now) {
  uint32_t next = LOAD32(ring, ((head + 1) & mask) * 4);
  if (!next) return;
  uint64_t next_arrival = U64(AT(next), BUFFER_ARRIVAL);
  if (next_arrival > arrival) return;
  note_lateness(session, (uint32_t)least64(arrival - next_arrival, U32(config, CONFIG_MAX_WAIT)), now);
}

static uint32_t find_expired(uint8_t *m, uint8_t *session, uint8_t *config, uint32_t head, uint32_t mask, uint8_t *ring,
                             uint64_t now, uint64_t drained) {
  uint64_t wait = current_wait(session, config), max_wait = U32(config, CONFIG_MAX_WAIT);
  uint64_t bound = U64(session, SESSION_OLDEST);
  if (bound && elapsed(bound, drained) < wait && elapsed(bound, now) < max_wait) return head;
  uint32_t last = least((uint32_t)distance(head, LOAD32(session, SESSION_HIGHEST)), mask), expired = head;
  uint64_t oldest = 0;
  for (uint32_t i = 1; i <= last; i++) {
    uint32_t buffer = LOAD32(ring, ((head + i) & mask) * 4);
    if (!buffer) continue;
    uint64_t arrival = U64(AT(buffer), BUFFER_ARRIVAL);
    if (elapsed(arrival, drained) >= wait || elapsed(arrival, now) >= max_wait)
      expired = head + i;
    else if (!oldest || arrival < oldest)
      oldest = arrival;
  }
  U64(session, SESSION_OLDEST) = oldest ? oldest : now;
  return expired;
}

static void set_timer(uint8_t *m, uint8_t *worker, uint8_t *session) {
  uint32_t index = U32(session, SESSION_NUMBER) - 1;
  uint8_t *at = AT(U32(worker, WORKER_TIMERS)) + (index >> 6) * 8;
  uint64_t word = U64(at, 0), bit = 1ull << (index & 63);
  if (word & bit) return;
  U64(at, 0) = word | bit;
  U32(worker, WORKER_TIMER_COUNT)++;
}

static void release(uint8_t *m, uint8_t *worker, uint8_t *session, uint64_t drained) {
  uint32_t published = LOAD32(session, SESSION_CONFIG);
  if (!published) return;
  uint8_t *config = AT(published), *ring = AT(U32(session, SESSION_RING));
  uint64_t now = U64(worker, WORKER_NOW), max_wait = U32(config, CONFIG_MAX_WAIT);
  uint32_t mask = U32(session, SESSION_MASK);
  uint64_t pause = elapsed(U64(session, SESSION_LAST_RELEASE), now);
  U64(session, SESSION_CLOCK) += least64(pause, max_wait >> CLOCK_STEP);
  U64(session, SESSION_LAST_RELEASE) = now;
  if (U64(session, SESSION_DUE)) U64(session, SESSION_DUE) = 0;
  uint32_t head = LOAD32(session, SESSION_HEAD), room_before = delivery_room(worker);
  uint32_t room = room_before, taken = 0, reordered = 0, unwaited = 0;
  uint32_t proven = head, expired = head;
  int judged = 0;
  for (;;) {
    uint8_t *slot = ring + (head & mask) * 4;
    uint32_t held = ALONE ? U32(slot, 0) : LOAD32(slot, 0);
    if (held) {
      if (!room) break;
      uint8_t *buffer = AT(held);
      uint64_t arrival = U64(buffer, BUFFER_ARRIVAL);
      if (arrival > now) unreached();
      store_shared(m, slot, 0);
      U32(buffer, BUFFER_OWNER) = U32(worker, WORKER_INDEX) + 1;
      taken++;
      if (U32(buffer, BUFFER_SEQUENCE) != head) unreached();
      room--;
      if (U32(buffer, BUFFER_REORDERED)) {
        reordered++;
        measure_lateness(m, session, config, arrival, ring, head, mask, now);
      }
      if (arrival < now)
        count_bucket(session + SESSION_WAIT_HISTOGRAM, (uint32_t)least64(now - arrival, UINT32_MAX), WAIT_BUCKETS);
      else
        unwaited++;
      or_shared(m, history_word(m, session, head), 1u << (head & 31));
      deliver(m, worker, AT(U32(buffer, BUFFER_INNER)), U32(buffer, BUFFER_LENGTH), buffer);
      head = advance(m, session, head);
      continue;
    }
    if (distance(head, LOAD32(session, SESSION_HIGHEST)) < 0) {
      U64(session, SESSION_OLDEST) = 0;
      break;
    }
    if (distance(head, LOAD32(session, SESSION_FORCE)) > 0) {
      unreached();
    } else if (!judged) {
      judged = 1;
      if (U32(config, CONFIG_FLAGS) & CONFIG_FLAG_PROVEN_LOSS) {
        int32_t ahead = proven_ahead(m, session, config, head, now);
        if (ahead > 0) proven = head + (uint32_t)ahead;
      }
      expired = find_expired(m, session, config, head, mask, ring, now, drained);
      continue;
    } else if (distance(head, proven) > 0) {
      U64(session, SESSION_STATS + STAT_LOST_PROVEN)++;
    } else if (distance(head, expired) > 0) {
      U64(session, SESSION_STATS + STAT_LOST_TIMEOUT)++;
      U64(session, SESSION_SKIP_TIME) = now;
      U32(session, SESSION_SKIP_WAIT) = current_wait(session, config);
    } else {
      break;
    }
    head = advance(m, session, head);
  }
  U64(session, SESSION_STATS + STAT_IN_ORDER) += room_before - room - reordered;
  U64(session, SESSION_STATS + STAT_REORDERED) += reordered;
  U64(session, SESSION_WAIT_HISTOGRAM) += unwaited;
  uint32_t left = __atomic_sub_fetch(WORD32(session, SESSION_HELD), taken, __ATOMIC_SEQ_CST);
  if (taken) count_bucket(session + SESSION_DEPTH_HISTOGRAM, left, DEPTH_BUCKETS);
  uint32_t force = LOAD32(session, SESSION_FORCE);
  if (distance(head, force) < 0)
    __atomic_compare_exchange_n(WORD32(session, SESSION_FORCE), &force, head, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  if (U64(session, SESSION_OLDEST) || U32(session, SESSION_CANDIDATES)) set_timer(m, worker, session);
}

/* ------------------------------------------------------------------------------------- reorder/window.ts */

static inline uint8_t *touch(uint8_t *m, uint8_t *worker, uint8_t *session) {
  uint32_t n = U32(worker, WORKER_TOUCHED_COUNT);
  for (uint32_t i = n; i > 0; i--) {
    uint8_t *entry = worker + WORKER_TOUCHED + (i - 1) * TOUCHED_STRIDE;
    if (U32(entry, TOUCHED_SESSION) == ADDRESS(session)) return entry;
  }
  if (n == TOUCHED_MAX) unreached();
  uint8_t *entry = worker + WORKER_TOUCHED + n * TOUCHED_STRIDE;
  U32(entry, TOUCHED_SESSION) = ADDRESS(session);
  U32(entry, TOUCHED_COUNT) = 0;
  U32(entry, TOUCHED_HIGHEST) = LOAD32(session, SESSION_HIGHEST);
  U32(worker, WORKER_TOUCHED_COUNT) = n + 1;
  return entry;
}

static inline void put(uint8_t *m, uint8_t *worker, uint8_t *session, uint8_t *buffer, uint32_t sequence) {
  uint8_t *entry = touch(m, worker, session);
  uint32_t highest = U32(entry, TOUCHED_HIGHEST), mask = U32(session, SESSION_MASK);
  uint8_t *slot = AT(U32(session, SESSION_RING)) + (sequence & mask) * 4;
  U32(buffer, BUFFER_REORDERED) = distance(highest, sequence) < 0;
  U32(buffer, BUFFER_OWNER) = 0;
  if (swap_shared(m, slot, 0, ADDRESS(buffer))) unreached();
  if (!ALONE) {
    int32_t ahead = distance(LOAD32(session, SESSION_HEAD), sequence);
    if (ahead < 0 || ahead > (int32_t)mask) unreached();
  }
  U32(entry, TOUCHED_COUNT)++;
  U32(entry, TOUCHED_HIGHEST) = distance(highest, sequence) > 0 ? sequence : highest;
}

/* Late packets, and those outside the window, are not among the benchmarked ones; the first one starts the session. */
static inline void offer(uint8_t *m, uint8_t *worker, uint8_t *session, uint8_t *buffer) {
  uint32_t sequence = U32(buffer, BUFFER_SEQUENCE);
  int32_t window = (int32_t)U32(session, SESSION_MASK) + 1;
  if (U32(session, SESSION_STARTED)) {
    int32_t ahead = distance(PUBLISHED32(session, SESSION_HEAD), sequence);
    if ((uint32_t)ahead < (uint32_t)window) return put(m, worker, session, buffer, sequence);
    unreached();
  }
  if (!lock_or_mark(m, worker, session) || sequence >= (uint32_t)window) unreached();
  U32(session, SESSION_STARTED) = 1;
  put(m, worker, session, buffer, sequence);
}

static void settle(uint8_t *m, uint8_t *worker) {
  uint32_t n = U32(worker, WORKER_TOUCHED_COUNT);
  U32(worker, WORKER_TOUCHED_COUNT) = 0;
  for (uint32_t i = 0; i < n; i++) {
    uint8_t *entry = worker + WORKER_TOUCHED + i * TOUCHED_STRIDE, *session = AT(U32(entry, TOUCHED_SESSION));
    uint32_t packets = U32(entry, TOUCHED_COUNT), value = U32(entry, TOUCHED_HIGHEST);
    if (!packets) continue;
    __atomic_fetch_add(WORD32(session, SESSION_HELD), packets, __ATOMIC_SEQ_CST);
    uint32_t before = LOAD32(session, SESSION_HIGHEST);
    while (distance(before, value) > 0 &&
           !__atomic_compare_exchange_n(WORD32(session, SESSION_HIGHEST), &before, value, 0, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST))
      ;
    if (lock_or_mark(m, worker, session)) {
      if (U32(session, SESSION_CANDIDATES)) unreached();
      U32(session, SESSION_STRAY) = 0;
      release(m, worker, session, 0);
    }
  }
}
