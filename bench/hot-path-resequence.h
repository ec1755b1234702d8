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

/* ----------------------------------------------------------------------- reorder/estimate.ts, history.ts */

static inline uint32_t next_spacing(uint32_t spacing, int32_t step, uint32_t mask) {
  uint32_t fallen = spacing - (spacing >> 3), most = least((uint32_t)step, mask + 1);
  return fallen > most ? fallen : most;
}

static inline void note_behind(uint8_t *path, uint32_t sequence, int32_t step, uint32_t mask, uint64_t now) {
  if (step < -(int32_t)mask) {
    U32(path, PATH_RX_HIGHEST) = sequence;
  } else if ((uint32_t)-step > U32(path, PATH_RX_SLACK)) {
    U32(path, PATH_RX_SLACK) = (uint32_t)-step;
    U64(path, PATH_RX_SLACK_TIME) = now;
  }
}

static inline void note_arrival(uint8_t *path, uint8_t *session, uint32_t mask, uint32_t sequence, uint64_t now, int late) {
  U64(path, PATH_RX_CLOCK) = U64(session, SESSION_CLOCK);
  if (!U32(path, PATH_RX_SEEN)) {
    U32(path, PATH_RX_HIGHEST) = sequence;
    U32(path, PATH_RX_SEEN) = 1;
    return;
  }
  int32_t step = distance(U32(path, PATH_RX_HIGHEST), sequence);
  if (step > 0) {
    if (late) U64(path, PATH_RX_PATIENCE) = now + PATIENCE;
    U32(path, PATH_RX_SPACING) = next_spacing(U32(path, PATH_RX_SPACING), step, mask);
    U32(path, PATH_RX_HIGHEST) = sequence;
  } else {
    note_behind(path, sequence, step, mask, now);
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

static void note_latenesses(uint8_t *session, uint32_t count, uint32_t sample, uint64_t now) {
  U32(session, SESSION_LATENESS_SAMPLES) += least(count, UINT32_MAX - U32(session, SESSION_LATENESS_SAMPLES));
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

static inline void mark_all_delivered(uint8_t *m, uint8_t *session, uint32_t from, uint32_t to) {
  while (from != to) {
    uint32_t count = least(32 - (from & 31), to - from);
    U32(history_word(m, session, from), 0) |= (UINT32_MAX >> (32 - count)) << (from & 31);
    from += count;
    if (!(from & 31)) U32(history_word(m, session, from + 32), 0) = 0;
  }
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

static inline void advance_by(uint8_t *m, uint8_t *session, uint32_t first, uint32_t count, uint32_t reordered,
                              uint32_t waited) {
  mark_all_delivered(m, session, first, first + count);
  U32(session, SESSION_HEAD) = first + count;
  U64(session, SESSION_STATS + STAT_IN_ORDER) += count - reordered;
  U64(session, SESSION_STATS + STAT_REORDERED) += reordered;
  U64(session, SESSION_WAIT_HISTOGRAM) += count - waited;
}

static uint32_t release_run(uint8_t *m, uint8_t *worker, uint8_t *session, uint8_t *config, uint8_t *ring, uint32_t mask,
                            uint32_t first, uint64_t now) {
  uint32_t owner = U32(worker, WORKER_INDEX) + 1, n = U32(worker, WORKER_DELIVER_COUNT), place = first & mask;
  uint64_t base = U64(CONTROL_BLOCK, CONTROL_HOST_BASE), latest = 0;
  uint32_t count = 0, limit = least(DELIVER_MAX - n, mask + 1 - place), reordered = 0, measured = 0, waited = 0;
  uint8_t *slot = ring + place * 4;
  uint8_t *iovec = worker + WORKER_DELIVER_IOVECS + n * IOVEC_SIZE;
  while (count < limit) {
    uint32_t held = U32(slot, count * 4);
    if (!held) break;
    uint8_t *buffer = AT(held);
    uint64_t arrival = U64(buffer, BUFFER_ARRIVAL);
    if (arrival > now) break;
    if (arrival != now) {
      waited++;
      count_bucket(session + SESSION_WAIT_HISTOGRAM, (uint32_t)least64(now - arrival, UINT32_MAX), WAIT_BUCKETS);
    }
    if (U32(buffer, BUFFER_REORDERED)) {
      reordered++;
      uint32_t next = U32(ring, ((place + count + 1) & mask) * 4);
      if (next) {
        uint64_t before = U64(AT(next), BUFFER_ARRIVAL);
        if (before <= arrival) {
          measured++;
          if (arrival - before > latest) latest = arrival - before;
        }
      }
    }
    U64(iovec, count * IOVEC_SIZE) = base + U32(buffer, BUFFER_INNER);
    U64(iovec, count * IOVEC_SIZE + 8) = U32(buffer, BUFFER_LENGTH);
    count++;
  }
  memcpy(worker + WORKER_DELIVER_BUFFERS + n * 4, slot, count * 4);
  memset(slot, 0, count * 4);
  for (uint32_t i = 0; i < count; i++) U32(AT(U32(worker, WORKER_DELIVER_BUFFERS + (n + i) * 4)), BUFFER_OWNER) = owner;
  U32(worker, WORKER_DELIVER_COUNT) = n + count;
  advance_by(m, session, first, count, reordered, waited);
  if (measured) note_latenesses(session, measured, (uint32_t)least64(latest, U32(config, CONFIG_MAX_WAIT)), now);
  return first + count;
}

/* With several workers, each packet is taken by itself: that is not among what is measured. */
static void release(uint8_t *m, uint8_t *worker, uint8_t *session, uint64_t drained, uint32_t passed) {
  uint32_t published = LOAD32(session, SESSION_CONFIG);
  if (!published) return;
  uint8_t *config = AT(published), *ring = AT(U32(session, SESSION_RING));
  uint64_t now = U64(worker, WORKER_NOW), max_wait = U32(config, CONFIG_MAX_WAIT);
  uint32_t mask = U32(session, SESSION_MASK);
  uint64_t pause = elapsed(U64(session, SESSION_LAST_RELEASE), now);
  U64(session, SESSION_CLOCK) += least64(pause, max_wait >> CLOCK_STEP);
  U64(session, SESSION_LAST_RELEASE) = now;
  if (U64(session, SESSION_DUE)) U64(session, SESSION_DUE) = 0;
  uint32_t head = LOAD32(session, SESSION_HEAD), taken = 0;
  uint32_t proven = head, expired = head;
  int judged = 0;
  for (;;) {
    uint8_t *slot = ring + (head & mask) * 4;
    uint32_t held = U32(slot, 0);
    if (held) {
      if (!delivery_room(worker)) break;
      if (U64(AT(held), BUFFER_ARRIVAL) > now) unreached();
      uint32_t next = release_run(m, worker, session, config, ring, mask, head, now);
      taken += next - head;
      head = next;
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
  uint32_t left = __atomic_sub_fetch(WORD32(session, SESSION_HELD), taken, __ATOMIC_SEQ_CST);
  if (taken | passed) count_bucket(session + SESSION_DEPTH_HISTOGRAM, left, DEPTH_BUCKETS);
  uint32_t force = LOAD32(session, SESSION_FORCE);
  if (distance(head, force) < 0)
    __atomic_compare_exchange_n(WORD32(session, SESSION_FORCE), &force, head, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  if (U64(session, SESSION_OLDEST) || U32(session, SESSION_CANDIDATES)) set_timer(m, worker, session);
}

/* ------------------------------------------------------------------------------------- reorder/window.ts */

static uint8_t *touch(uint8_t *m, uint8_t *worker, uint8_t *session) {
  uint32_t n = U32(worker, WORKER_TOUCHED_COUNT);
  for (uint32_t i = n; i > 0; i--) {
    uint8_t *entry = worker + WORKER_TOUCHED + (i - 1) * TOUCHED_STRIDE;
    if (U32(entry, TOUCHED_SESSION) != ADDRESS(session)) continue;
    U32(worker, WORKER_TOUCHED_LAST) = ADDRESS(entry);
    return entry;
  }
  if (n == TOUCHED_MAX) unreached();
  uint8_t *entry = worker + WORKER_TOUCHED + n * TOUCHED_STRIDE;
  U32(entry, TOUCHED_SESSION) = ADDRESS(session);
  U32(entry, TOUCHED_COUNT) = 0;
  U32(entry, TOUCHED_PASSED) = 0;
  U32(entry, TOUCHED_HIGHEST) = LOAD32(session, SESSION_HIGHEST);
  U32(worker, WORKER_TOUCHED_COUNT) = n + 1;
  U32(worker, WORKER_TOUCHED_LAST) = ADDRESS(entry);
  return entry;
}

/* ----------------------------------------------------------------------------------- reorder/arrivals.ts */

static inline void arrive(uint8_t *m, uint8_t *worker, uint8_t *session, uint8_t *path, uint8_t *buffer, uint8_t *inner,
                          uint32_t length, uint32_t sequence, uint64_t due) {
  U32(buffer, BUFFER_SEQUENCE) = sequence;
  U32(buffer, BUFFER_SESSION) = ADDRESS(session);
  U32(buffer, BUFFER_LENGTH) = length;
  U64(buffer, BUFFER_ARRIVAL) = due;
  U32(buffer, BUFFER_INNER) = ADDRESS(inner);
  uint8_t *at = worker + U32(worker, WORKER_ARRIVED_COUNT)++ * 8;
  U32(at, WORKER_ARRIVED) = ADDRESS(buffer);
  U32(at, WORKER_ARRIVED + 4) = ADDRESS(path);
}

/* Late packets, and those outside the window, are not among the benchmarked ones; the first one starts the session. */
static uint8_t *take_one(uint8_t *m, uint8_t *worker, uint8_t *at) {
  uint8_t *buffer = AT(U32(at, 0)), *path = AT(U32(at, 4)), *session = AT(U32(buffer, BUFFER_SESSION));
  uint8_t *entry = touch(m, worker, session);
  if (!U32(session, SESSION_STARTED) && !lock_or_mark(m, worker, session)) unreached();
  U32(session, SESSION_STARTED) = 1;
  uint32_t mask = U32(session, SESSION_MASK), sequence = U32(buffer, BUFFER_SEQUENCE);
  if (sequence - U32(session, SESSION_HEAD) > mask) unreached();
  uint8_t *slot = AT(U32(session, SESSION_RING)) + (sequence & mask) * 4;
  if (U32(slot, 0)) unreached();
  int32_t ahead = distance(U32(entry, TOUCHED_HIGHEST), sequence);
  U32(buffer, BUFFER_REORDERED) = (uint32_t)ahead >> 31;
  U32(buffer, BUFFER_OWNER) = 0;
  U32(slot, 0) = ADDRESS(buffer);
  U32(entry, TOUCHED_COUNT)++;
  if (ahead > 0) U32(entry, TOUCHED_HIGHEST) = sequence;
  note_arrival(path, session, mask, sequence, U64(worker, WORKER_NOW), 0);
  return at + 8;
}

static uint8_t *pass_run(uint8_t *m, uint8_t *worker, uint8_t *session, uint8_t *entry, uint8_t *at, uint8_t *end) {
  if (!lock_or_mark(m, worker, session)) return at;
  uint64_t now = U64(worker, WORKER_NOW), clock = U64(session, SESSION_CLOCK), base = U64(CONTROL_BLOCK, CONTROL_HOST_BASE);
  uint32_t n = U32(worker, WORKER_DELIVER_COUNT), mask = U32(session, SESSION_MASK), first = U32(session, SESSION_HEAD);
  uint8_t *limit = at + (DELIVER_MAX - n) * 8, *ring = AT(U32(session, SESSION_RING));
  if (end < limit) limit = end;
  uint8_t *iovec = worker + WORKER_DELIVER_IOVECS + n * IOVEC_SIZE, *list = worker + WORKER_DELIVER_BUFFERS + n * 4;
  uint32_t head = first;
  uint8_t *next = at;
  while (next < limit) {
    uint8_t *buffer = AT(U32(next, 0)), *path = AT(U32(next, 4));
    if (U32(buffer, BUFFER_SEQUENCE) != head) break;
    if (U32(buffer, BUFFER_SESSION) != ADDRESS(session)) break;
    if (U64(buffer, BUFFER_ARRIVAL) > now) break;
    if (U32(ring, (head & mask) * 4)) break;
    uint32_t spacing = U32(path, PATH_RX_SPACING);
    int32_t step = distance(U32(path, PATH_RX_HIGHEST), head);
    if (!spacing || step <= 0) break;
    U64(iovec, 0) = base + U32(buffer, BUFFER_INNER);
    U64(iovec, 8) = U32(buffer, BUFFER_LENGTH);
    U32(list, 0) = ADDRESS(buffer);
    U64(path, PATH_RX_CLOCK) = clock;
    U32(path, PATH_RX_SPACING) = next_spacing(spacing, step, mask);
    U32(path, PATH_RX_HIGHEST) = head;
    iovec += IOVEC_SIZE;
    list += 4;
    next += 8;
    head++;
  }
  U32(worker, WORKER_DELIVER_COUNT) = n + (head - first);
  U32(entry, TOUCHED_PASSED) += head - first;
  U32(entry, TOUCHED_HIGHEST) = head - 1;
  advance_by(m, session, first, head - first, 0, 0);
  return next;
}

static uint8_t *fill_run(uint8_t *m, uint8_t *session, uint8_t *entry, uint64_t now, uint8_t *at, uint8_t *end) {
  uint32_t mask = U32(session, SESSION_MASK), head = U32(session, SESSION_HEAD), highest = U32(entry, TOUCHED_HIGHEST);
  uint8_t *ring = AT(U32(session, SESSION_RING)), *next = at;
  uint64_t clock = U64(session, SESSION_CLOCK);
  while (next < end) {
    uint8_t *buffer = AT(U32(next, 0)), *path = AT(U32(next, 4));
    if (U32(buffer, BUFFER_SESSION) != ADDRESS(session)) break;
    uint32_t sequence = U32(buffer, BUFFER_SEQUENCE);
    if (sequence - head > mask) break;
    uint8_t *slot = ring + (sequence & mask) * 4;
    if (U32(slot, 0)) break;
    uint32_t spacing = U32(path, PATH_RX_SPACING);
    if (!spacing) break;
    next += 8;
    int32_t ahead = distance(highest, sequence);
    if (ahead > 0) highest = sequence;
    U32(buffer, BUFFER_OWNER) = 0;
    U32(buffer, BUFFER_REORDERED) = (uint32_t)ahead >> 31;
    U32(slot, 0) = ADDRESS(buffer);
    int32_t step = distance(U32(path, PATH_RX_HIGHEST), sequence);
    U64(path, PATH_RX_CLOCK) = clock;
    if (step > 0) {
      U32(path, PATH_RX_SPACING) = next_spacing(spacing, step, mask);
      U32(path, PATH_RX_HIGHEST) = sequence;
    } else {
      note_behind(path, sequence, step, mask, now);
    }
  }
  U32(entry, TOUCHED_COUNT) += (uint32_t)(next - at) / 8;
  U32(entry, TOUCHED_HIGHEST) = highest;
  return next;
}

static uint8_t *take_run(uint8_t *m, uint8_t *worker, uint8_t *at, uint8_t *end) {
  uint8_t *session = AT(U32(AT(U32(at, 0)), BUFFER_SESSION));
  if (!U32(session, SESSION_STARTED)) return at;
  uint8_t *entry = AT(U32(worker, WORKER_TOUCHED_LAST));
  if (U32(entry, TOUCHED_SESSION) != ADDRESS(session)) entry = touch(m, worker, session);
  uint32_t head = U32(session, SESSION_HEAD);
  if (head - U32(entry, TOUCHED_HIGHEST) == 1 && U32(AT(U32(at, 0)), BUFFER_SEQUENCE) == head)
    at = pass_run(m, worker, session, entry, at, end);
  return fill_run(m, session, entry, U64(worker, WORKER_NOW), at, end);
}

static void take_arrivals(uint8_t *m, uint8_t *worker) {
  uint8_t *at = worker + WORKER_ARRIVED, *end = at + U32(worker, WORKER_ARRIVED_COUNT) * 8;
  U32(worker, WORKER_ARRIVED_COUNT) = 0;
  if (!ALONE) unreached();
  while (at < end) {
    uint8_t *after = take_run(m, worker, at, end);
    at = after == at ? take_one(m, worker, at) : after;
  }
}

static void settle(uint8_t *m, uint8_t *worker) {
  take_arrivals(m, worker);
  uint32_t n = U32(worker, WORKER_TOUCHED_COUNT);
  U32(worker, WORKER_TOUCHED_COUNT) = 0;
  U32(worker, WORKER_TOUCHED_LAST) = 0;
  for (uint32_t i = 0; i < n; i++) {
    uint8_t *entry = worker + WORKER_TOUCHED + i * TOUCHED_STRIDE, *session = AT(U32(entry, TOUCHED_SESSION));
    uint32_t packets = U32(entry, TOUCHED_COUNT), value = U32(entry, TOUCHED_HIGHEST), passed = U32(entry, TOUCHED_PASSED);
    if (!(packets | passed)) continue;
    __atomic_fetch_add(WORD32(session, SESSION_HELD), packets, __ATOMIC_SEQ_CST);
    uint32_t before = LOAD32(session, SESSION_HIGHEST);
    while (distance(before, value) > 0 &&
           !__atomic_compare_exchange_n(WORD32(session, SESSION_HIGHEST), &before, value, 0, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST))
      ;
    if (lock_or_mark(m, worker, session)) {
      if (U32(session, SESSION_CANDIDATES)) unreached();
      U32(session, SESSION_STRAY) = 0;
      release(m, worker, session, 0, passed);
    }
  }
}
