/*
 * The C twin of bench/schedulers.ts: every scheduler's pick, with the same shared words and the same charging of models, behind the same
 * switch over the algorithms and in the same loop, which takes time and flow key through memory as the hot path does. Records have the
 * sizes and neighbours that assembly/layout.ts gives them. Groups come on standard input, as the hot path has them; for each the program
 * prints a line: a sum over the sequence of all picks, which has to be the hot path's, and nanoseconds a pick of each round.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLOTS 4096
#define PICKS 16384
#define LONGEST_QUEUE 500000000ull

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef int32_t i32;
typedef uint64_t u64;

struct model { u32 delay, jitter, octet_time, loss; u64 reserved, free_at; };
struct path {
  u32 before[4], header, between[8], number;
  u8 template[200];
  struct model model;
  u8 after[32];
} __attribute__((aligned(64)));
struct member {
  struct path *path;
  struct model *model;
  u16 header, bid;
  u32 quantum, rate, cbs, ebs;
  i32 deficit;
  u64 tokens, refill;
} __attribute__((aligned(64)));
struct group {
  u32 algorithm, count, flags, period;
  u8 *schedule, *slots;
  u32 gap, queue, window, lambda;
  u64 seed, reserved;
  u64 ticket __attribute__((aligned(64)));
  u32 cursor, waiting;
  u8 bids[256] __attribute__((aligned(64)));
  struct member members[16];
} __attribute__((aligned(64)));
struct entry { u64 check, data; };
struct control { u32 workers, pinned; u64 bits; struct entry *flowlets, *pins; };
/* Volatile: in the hot path other code than the pick writes these. */
struct worker { volatile u64 now, flow; };

enum { TABLE, DEFICIT, RANDOM, FLOW_HASH, FLOWLET, LOWEST_DELAY, EARLIEST, OVERFLOWING, BLEST, ECF };
#define FLAG_CHARGE 2
#define NONE 0xffffffffu

static struct control control;
static struct path paths[16];

/* As assembly/memory/shared.ts: locked, unless there is one worker only. Flow tables, models and read-mostly words do without in both. */
#define COMPANY (PLAIN_LOAD(&control.workers) != 1)
#define LOAD(p) __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define ADD(p, v) (COMPANY ? __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST) : (*(p) += (v)) - (v))
#define SWAP(p, seen, v) (COMPANY ? __atomic_compare_exchange_n(p, seen, v, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) \
                                  : *(p) == *(seen) ? (*(p) = (v), 1) : (*(seen) = *(p), 0))
#define PLAIN_LOAD(p) __atomic_load_n(p, __ATOMIC_RELAXED)
#define PLAIN_STORE(p, v) __atomic_store_n(p, v, __ATOMIC_RELAXED)

static inline u64 queue_time(const struct model *m, u64 now) {
  u64 at = PLAIN_LOAD(&m->free_at);
  u64 wait = at - now;
  return at > now ? (wait < LONGEST_QUEUE ? wait : LONGEST_QUEUE) : 0;
}
static inline u64 sending(const struct model *m, u32 length) { return ((u64)length * m->octet_time) >> 8; }
static inline u64 delay(const struct model *m) { return m->delay * 1000ull; }
static inline u64 jitter(const struct model *m) { return m->jitter * 1000ull; }

static u32 by_table(struct group *g) {
  if (g->period <= 1) return 0;
  u64 t = ADD(&g->ticket, 1);
  return g->schedule[t >> 32 ? t % g->period : (u32)t % g->period];
}
static u32 pick_deficit(struct group *g, u32 length) {
  u32 i = 0;
  for (u32 turn = 0; turn < 4096; turn++) {
    i = LOAD(&g->cursor);
    if (LOAD(&g->members[i].deficit) > 0) break;
    u32 next = i + 1 < g->count ? i + 1 : 0, seen = i;
    if (SWAP(&g->cursor, &seen, next)) ADD(&g->members[next].deficit, (i32)g->members[next].quantum);
  }
  ADD(&g->members[i].deficit, -(i32)length);
  return i;
}
static u32 pick_random(struct group *g) {
  u64 x = g->seed + ADD(&g->ticket, 1) * 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  x ^= x >> 31;
  return g->schedule[((x >> 32) * g->period) >> 32];
}
static inline struct entry *set_of(struct entry *table, u64 key) { return table + (key >> (64 - control.bits)) * 4; }
static u64 find(struct entry *table, u64 key) {
  struct entry *e = set_of(table, key);
  for (int i = 0; i < 4; i++) {
    u64 data = PLAIN_LOAD(&e[i].data);
    if (data && (PLAIN_LOAD(&e[i].check) ^ data) == key) return data;
  }
  return 0;
}
static struct entry *place_of(struct entry *table, u64 key, u32 tick) {
  struct entry *e = set_of(table, key), *victim = e;
  u32 age = 0;
  for (int i = 0; i < 4; i++) {
    u64 old = PLAIN_LOAD(&e[i].data);
    if (!old || (PLAIN_LOAD(&e[i].check) ^ old) == key) return &e[i];
    u32 since = tick - (u32)(old >> 32);
    if (since >= age) { age = since; victim = &e[i]; }
  }
  return victim;
}
static __attribute__((noinline)) u32 pinned_bid(u64 flow) { return find(control.pins, flow) & 255; }
static inline u32 pinned(struct group *g, u64 flow) { return PLAIN_LOAD(&control.pinned) ? g->bids[pinned_bid(flow)] : 0; }
static u32 pick_flow_hash(struct group *g, u64 flow) {
  u32 place = pinned(g, flow);
  return place ? place - 1 : g->slots[flow & (SLOTS - 1)];
}
static u32 pick_flowlet(struct group *g, u64 flow, u64 us) {
  u32 place = pinned(g, flow);
  if (place) return place - 1;
  u32 tick = (u32)(us >> 5);
  struct entry *entry = place_of(control.flowlets, flow, tick);
  u64 data = PLAIN_LOAD(&entry->data);
  if (data && (PLAIN_LOAD(&entry->check) ^ data) == flow && tick - (u32)(data >> 32) <= g->gap) place = g->bids[data & 255];
  u32 i = place ? place - 1 : by_table(g);
  data = ((u64)tick << 32) | g->members[i].bid;
  PLAIN_STORE(&entry->check, flow ^ data);
  PLAIN_STORE(&entry->data, data);
  return i;
}
/* Microseconds; an unknown one comes last. */
static inline u64 delay_or_longest(const struct model *m) { return m->delay - 1; }
static inline u64 free_at_within(u64 limit, u64 now) { return limit < LONGEST_QUEUE ? now + limit : ~0ull; }
static u32 shortest_wait(struct group *g, u64 now) {
  u32 best = 0, count = g->count;
  u64 least = ~0ull;
  for (u32 i = 0; i < count; i++) {
    const struct model *m = g->members[i].model;
    u64 wait = queue_time(m, now) + delay_or_longest(m) * 1000;
    if (wait < least) { best = i; least = wait; }
  }
  return best;
}
static u32 pick_lowest(struct group *g, u64 now) {
  u32 best = NONE, count = g->count;
  u64 best_delay = ~0ull, latest = free_at_within(g->queue * 1000ull, now);
  for (u32 i = 0; i < count; i++) {
    const struct model *m = g->members[i].model;
    u64 d = delay_or_longest(m);
    if (PLAIN_LOAD(&m->free_at) <= latest && d < best_delay) { best = i; best_delay = d; }
  }
  return best != NONE ? best : shortest_wait(g, now);
}
static u32 pick_earliest(struct group *g, u32 length, u64 now) {
  u32 best = 0, count = g->count;
  u64 earliest = ~0ull;
  for (u32 i = 0; i < count; i++) {
    const struct model *m = g->members[i].model;
    if (!m->octet_time && !m->delay) return by_table(g);
    u64 at = queue_time(m, now) + sending(m, length + g->members[i].header) + delay(m);
    if (at < earliest) { best = i; earliest = at; }
  }
  return best;
}
static inline int accepts(struct member *m, u32 size, u64 us) {
  if (!m->rate) return 1;
  u64 before = LOAD(&m->refill);
  if (us >= before + 100 && SWAP(&m->refill, &before, us)) {
    u64 gone = us - before, fresh = (gone < 1 << 30 ? gone : 1 << 30) * m->rate / 1000, t = LOAD(&m->tokens), n;
    do {
      u64 c = (t & 0xffffffff) + fresh, e = (t >> 32) + (c > m->cbs ? c - m->cbs : 0);
      n = (c < m->cbs ? c : m->cbs) | (e < m->ebs ? e : m->ebs) << 32;
    } while (!SWAP(&m->tokens, &t, n));
  }
  u64 t = LOAD(&m->tokens), taken;
  do {
    taken = (u32)t >= size ? size : (u32)(t >> 32) >= size ? (u64)size << 32 : 0;
    if (!taken) return 0;
  } while (!SWAP(&m->tokens, &t, t - taken));
  return 1;
}
static u32 pick_overflow(struct group *g, u32 length, u64 us) {
  u32 last = g->count - 1;
  for (u32 i = 0; i < last; i++)
    if (accepts(&g->members[i], (length + g->members[i].header) << 6, us)) return i;
  return last;
}
static u32 fastest(struct group *g) {
  u32 best = 0, count = g->count, least = NONE;
  for (u32 i = 0; i < count; i++) {
    const struct model *m = g->members[i].model;
    if (!m->delay || !m->octet_time) return NONE;
    if (m->delay < least) { best = i; least = m->delay; }
  }
  return best;
}
static u32 roomiest(struct group *g, u32 fast, u64 now) {
  u32 best = NONE, count = g->count;
  u64 least = ~0ull, latest = free_at_within(g->queue * 1000ull, now);
  for (u32 i = 0; i < count; i++) {
    const struct model *m = g->members[i].model;
    if (PLAIN_LOAD(&m->free_at) > latest || i == fast) continue;
    u64 wait = delay(m) + queue_time(m, now);
    if (wait < least) { best = i; least = wait; }
  }
  return best;
}
static u32 pick_blest(struct group *g, u32 length, u64 now) {
  u32 fast = fastest(g);
  if (fast == NONE) return by_table(g);
  const struct model *f = g->members[fast].model;
  if (PLAIN_LOAD(&f->free_at) <= free_at_within(g->queue * 1000ull, now)) return fast;
  u32 slow = roomiest(g, fast, now);
  if (slow == NONE) return fast;
  const struct model *s = g->members[slow].model;
  u64 queue = queue_time(s, now);
  u64 meanwhile = (((2 * delay(s) + queue) << 8) / f->octet_time * g->lambda) >> 8;
  u64 underway = ((delay(s) + queue) << 8) / s->octet_time + length;
  return meanwhile + underway > (u64)g->window * length ? fast : slow;
}
static u32 pick_ecf(struct group *g, u64 now) {
  u32 fast = fastest(g);
  if (fast == NONE) return by_table(g);
  const struct model *f = g->members[fast].model;
  if (PLAIN_LOAD(&f->free_at) <= free_at_within(g->queue * 1000ull, now)) { if (g->waiting) g->waiting = 0; return fast; }
  u32 slow = roomiest(g, fast, now);
  if (slow == NONE) return fast;
  const struct model *s = g->members[slow].model;
  u64 queue = queue_time(f, now), tf = 2 * delay(f), ts = 2 * delay(s), delta = jitter(f) > jitter(s) ? jitter(f) : jitter(s), limit = ts + delta;
  if ((queue > tf ? queue : tf) + tf >= (g->waiting ? limit + (limit >> 2) : limit)) { g->waiting = 0; return slow; }
  u64 on_slow = queue * s->octet_time / f->octet_time;
  if ((on_slow > ts ? on_slow : ts) < 2 * tf + delta) return slow;
  g->waiting = 1;
  return fast;
}

/* choosePath() of assembly/schedule/scheduler.ts. */
static inline struct path *choose_path(struct worker *w, struct group *g, u32 length) {
  u64 us = w->now, flow = w->flow, now = us * 1000;
  u32 index;
  if (!g->count) return NULL;
  if (g->count == 1) index = 0;
  else switch (g->algorithm) {
    case DEFICIT: index = pick_deficit(g, length); break;
    case RANDOM: index = pick_random(g); break;
    case FLOW_HASH: index = pick_flow_hash(g, flow); break;
    case FLOWLET: index = pick_flowlet(g, flow, us); break;
    case LOWEST_DELAY: index = pick_lowest(g, now); break;
    case EARLIEST: index = pick_earliest(g, length, now); break;
    case OVERFLOWING: index = pick_overflow(g, length, us); break;
    case BLEST: index = pick_blest(g, length, now); break;
    case ECF: index = pick_ecf(g, now); break;
    default: index = by_table(g);
  }
  struct member *chosen = &g->members[index];
  struct model *m = chosen->model;
  if (g->flags & FLAG_CHARGE && m->octet_time)
    PLAIN_STORE(&m->free_at, now + queue_time(m, now) + sending(m, length + chosen->header));
  return chosen->path;
}

/* pickMany() there. */
static __attribute__((noinline)) u32 pick_many(struct worker *w, struct group *g, u32 length, u32 picks) {
  u32 sum = 0;
  u64 now = w->now, flow = w->flow;
  for (u32 i = 0; i < picks; i++) {
    w->now = now += 4;
    w->flow = flow = flow * 0x9e3779b97f4a7c15ull + 1;
    /* Each packet finds its group anew: nothing of it is known from the last one. */
    __asm__ volatile("" ::: "memory");
    sum = sum * 31 + choose_path(w, g, length)->number;
  }
  return sum;
}

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static u64 number(void) {
  unsigned long long value;
  if (scanf("%llu", &value) != 1) exit(2);
  return value;
}

/* name, then what read_group() in bench/schedulers.ts writes. */
static struct group *read_group(struct worker *w) {
  struct group *g = aligned_alloc(64, sizeof *g);
  memset(g, 0, sizeof *g);
  memset(paths, 0, sizeof paths);
  control.workers = number(), w->now = number(), w->flow = number(), control.bits = number();
  free(control.flowlets);
  u64 octets = (4 * sizeof(struct entry)) << control.bits;
  control.flowlets = memset(aligned_alloc(64, octets), 0, octets);
  g->algorithm = number(), g->flags = number(), g->gap = number(), g->queue = number();
  g->window = number(), g->lambda = number(), g->seed = number(), g->count = number();
  for (u32 i = 0; i < g->count; i++) {
    struct member *m = &g->members[i];
    m->path = &paths[i], m->model = &paths[i].model, m->bid = i + 1, g->bids[m->bid] = i + 1;
    paths[i].number = number(), paths[i].header = m->header = number();
    m->quantum = number(), m->rate = number(), m->cbs = number(), m->ebs = number(), m->tokens = number();
    m->model->delay = number(), m->model->jitter = number(), m->model->octet_time = number();
  }
  g->period = number();
  g->schedule = malloc(g->period);
  for (u32 i = 0; i < g->period; i++) g->schedule[i] = number();
  u32 slots = number();
  g->slots = malloc(SLOTS);
  for (u32 i = 0; i < slots; i++) g->slots[i] = number();
  return g;
}

int main(int argc, char **argv) {
  u32 rounds = argc > 1 ? (u32)atoi(argv[1]) : 24;
  char name[64];
  while (scanf("%63s", name) == 1) {
    struct worker *w = aligned_alloc(64, 64);
    struct group *g = read_group(w);
    u32 length = (u32)number(), sum = 0;
    double *ns = malloc(rounds * sizeof *ns);
    for (u32 round = 0; round < rounds; round++) {
      double start = now_ns();
      sum = sum * 31 + pick_many(w, g, length, PICKS);
      ns[round] = (now_ns() - start) / PICKS;
    }
    printf("%u", sum);
    for (u32 round = 0; round < rounds; round++) printf(" %.3f", ns[round]);
    printf("\n");
    free(ns);
    free(g->schedule), free(g->slots), free(g), free(w);
  }
  return 0;
}
