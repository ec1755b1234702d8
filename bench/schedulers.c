/*
 * The C twin of bench/schedulers.ts: every scheduler's pick, with the same atomics and the same charging of models, in the same loop.
 * Prints nanoseconds a pick (minima) as JSON by scheduler and number of paths. Build and run: see bench/schedulers.ts.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLOTS 4096
#define SETS 4096
#define LENGTH 1000
#define HEADER 44
#define QUEUE 5000000ull
#define WINDOW 4096ull

typedef uint32_t u32;
typedef uint64_t u64;

struct path { u32 header; u32 delay, jitter, octet_time; u64 free_at; };
struct member {
  struct path *path;
  u32 weight, quantum, rate, cbs, ebs;
  int32_t deficit;
  u64 tokens, refill;
} __attribute__((aligned(64)));
struct group {
  u32 count, period, cursor, waiting, gap;
  u64 seed, ticket;
  uint8_t *schedule, *slots, bids[256];
  struct member members[16];
};
struct entry { u64 check, data; };

static struct path paths[16];
static struct group group;
static struct entry flowlets[SETS * 4];
static u32 pinned;

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

#define LOAD(p) __atomic_load_n(p, __ATOMIC_SEQ_CST)
/* Flow tables and models do without fences, as in the hot path. */
#define PLAIN_LOAD(p) __atomic_load_n(p, __ATOMIC_RELAXED)
#define PLAIN_STORE(p, v) __atomic_store_n(p, v, __ATOMIC_RELAXED)
#define ADD(p, v) __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST)

static u64 queue_time(const struct path *p, u64 now) {
  u64 at = PLAIN_LOAD(&p->free_at);
  u64 wait = at > now ? at - now : 0;
  return wait < 500000000ull ? wait : 500000000ull;
}
static u64 sending(const struct path *p, u32 length) { return ((u64)length * p->octet_time) >> 8; }
static u64 delay(const struct path *p) { return p->delay * 1000ull; }

static u32 by_table(struct group *g) {
  u64 t = ADD(&g->ticket, 1);
  return g->schedule[t >> 32 ? t % g->period : (u32)t % g->period];
}
static u32 pick_weighted(struct group *g, u32 length, u64 flow, u64 now) {
  (void)length, (void)flow, (void)now;
  return by_table(g);
}
static u32 pick_deficit(struct group *g, u32 length, u64 flow, u64 now) {
  (void)flow, (void)now;
  u32 i;
  for (;;) {
    i = LOAD(&g->cursor);
    if (LOAD(&g->members[i].deficit) > 0) break;
    u32 next = i + 1 < g->count ? i + 1 : 0, seen = i;
    if (__atomic_compare_exchange_n(&g->cursor, &seen, next, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
      ADD(&g->members[next].deficit, (int32_t)g->members[next].quantum);
  }
  __atomic_fetch_sub(&g->members[i].deficit, (int32_t)length, __ATOMIC_SEQ_CST);
  return i;
}
static u32 pick_random(struct group *g, u32 length, u64 flow, u64 now) {
  (void)length, (void)flow, (void)now;
  u64 x = g->seed + ADD(&g->ticket, 1) * 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  x ^= x >> 31;
  return g->schedule[((x >> 32) * g->period) >> 32];
}
static u32 pick_flow_hash(struct group *g, u32 length, u64 flow, u64 now) {
  (void)length, (void)now;
  return LOAD(&pinned) ? 0 : g->slots[flow & (SLOTS - 1)];
}
static struct entry *set_of(u64 key) { return &flowlets[(key >> (64 - 12)) * 4]; }
static u64 find(u64 key) {
  struct entry *e = set_of(key);
  for (int i = 0; i < 4; i++) {
    u64 data = PLAIN_LOAD(&e[i].data);
    if (data && (PLAIN_LOAD(&e[i].check) ^ data) == key) return data;
  }
  return 0;
}
static void put(u64 key, u32 tick, u32 value) {
  struct entry *e = set_of(key), *victim = e;
  u32 age = 0;
  u64 data = ((u64)tick << 32) | value;
  for (int i = 0; i < 4; i++) {
    u64 old = PLAIN_LOAD(&e[i].data);
    if (!old || (PLAIN_LOAD(&e[i].check) ^ old) == key) { victim = &e[i]; break; }
    u32 since = tick - (u32)(old >> 32);
    if (since >= age) { age = since; victim = &e[i]; }
  }
  PLAIN_STORE(&victim->check, key ^ data);
  PLAIN_STORE(&victim->data, data);
}
static u32 pick_flowlet(struct group *g, u32 length, u64 flow, u64 now) {
  (void)length;
  if (LOAD(&pinned)) return 0;
  u32 tick = (u32)(now / 1000 >> 5);
  u64 data = find(flow);
  u32 place = data && tick - (u32)(data >> 32) <= g->gap ? g->bids[data & 255] : 0;
  u32 i = place ? place - 1 : by_table(g);
  put(flow, tick, i + 1);
  return i;
}
static u32 pick_lowest(struct group *g, u32 length, u64 flow, u64 now) {
  (void)length, (void)flow;
  u32 best = 0, least = 0;
  u64 best_delay = ~0ull, least_wait = ~0ull;
  for (u32 i = 0; i < g->count; i++) {
    const struct path *p = g->members[i].path;
    u64 queue = queue_time(p, now), d = delay(p) ? delay(p) : 0xffffffffull * 1000;
    if (queue <= QUEUE && d < best_delay) { best = i; best_delay = d; }
    if (queue + d < least_wait) { least = i; least_wait = queue + d; }
  }
  return best_delay == ~0ull ? least : best;
}
static u32 pick_edpf(struct group *g, u32 length, u64 flow, u64 now) {
  (void)flow;
  u32 best = 0;
  u64 earliest = ~0ull;
  for (u32 i = 0; i < g->count; i++) {
    const struct path *p = g->members[i].path;
    if (!p->octet_time) return by_table(g);
    u64 at = queue_time(p, now) + sending(p, length + p->header) + delay(p);
    if (at < earliest) { best = i; earliest = at; }
  }
  return best;
}
static int accepts(struct member *m, u32 size, u64 us) {
  if (!m->rate) return 1;
  u64 before = LOAD(&m->refill);
  if (us >= before + 100 &&
      __atomic_compare_exchange_n(&m->refill, &before, us, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
    u64 gone = us - before, fresh = (gone < 1 << 30 ? gone : 1 << 30) * m->rate / 1000, t = LOAD(&m->tokens), n;
    do {
      u64 c = (t & 0xffffffff) + fresh, e = (t >> 32) + (c > m->cbs ? c - m->cbs : 0);
      n = (c < m->cbs ? c : m->cbs) | (e < m->ebs ? e : m->ebs) << 32;
    } while (!__atomic_compare_exchange_n(&m->tokens, &t, n, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  }
  u64 t = LOAD(&m->tokens), left;
  do {
    if ((u32)t >= size) left = t - size;
    else if ((u32)(t >> 32) >= size) left = t - ((u64)size << 32);
    else return 0;
  } while (!__atomic_compare_exchange_n(&m->tokens, &t, left, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  return 1;
}
static u32 pick_overflow(struct group *g, u32 length, u64 flow, u64 now) {
  (void)flow;
  for (u32 i = 0; i + 1 < g->count; i++)
    if (accepts(&g->members[i], (length + g->members[i].path->header) << 6, now / 1000)) return i;
  return g->count - 1;
}
static int fastest(struct group *g) {
  int best = 0;
  u64 least = ~0ull;
  for (u32 i = 0; i < g->count; i++) {
    const struct path *p = g->members[i].path;
    if (!p->delay || !p->octet_time) return -1;
    if (delay(p) < least) { best = i; least = delay(p); }
  }
  return best;
}
static int roomiest(struct group *g, int fast, u64 now) {
  int best = -1;
  u64 least = ~0ull;
  for (int i = 0; i < (int)g->count; i++) {
    const struct path *p = g->members[i].path;
    if (i == fast || queue_time(p, now) > QUEUE) continue;
    u64 wait = delay(p) + queue_time(p, now);
    if (wait < least) { best = i; least = wait; }
  }
  return best;
}
static u32 pick_blest(struct group *g, u32 length, u64 flow, u64 now) {
  (void)flow;
  int fast = fastest(g);
  if (fast < 0) return by_table(g);
  const struct path *f = g->members[fast].path;
  if (queue_time(f, now) <= QUEUE) return fast;
  int slow = roomiest(g, fast, now);
  if (slow < 0) return fast;
  const struct path *s = g->members[slow].path;
  u64 meanwhile = (((2 * delay(s) + queue_time(s, now)) << 8) / f->octet_time * 307) >> 8;
  u64 underway = ((delay(s) + queue_time(s, now)) << 8) / s->octet_time + length;
  return meanwhile + underway > WINDOW * length ? fast : slow;
}
static u32 pick_ecf(struct group *g, u32 length, u64 flow, u64 now) {
  (void)length, (void)flow;
  int fast = fastest(g);
  if (fast < 0) return by_table(g);
  const struct path *f = g->members[fast].path;
  if (queue_time(f, now) <= QUEUE) { if (g->waiting) g->waiting = 0; return fast; }
  int slow = roomiest(g, fast, now);
  if (slow < 0) return fast;
  const struct path *s = g->members[slow].path;
  u64 tf = 2 * delay(f), ts = 2 * delay(s), queue = queue_time(f, now);
  u64 delta = 1000ull * (f->jitter > s->jitter ? f->jitter : s->jitter), limit = ts + delta;
  if ((queue > tf ? queue : tf) + tf >= (g->waiting ? limit + (limit >> 2) : limit)) { g->waiting = 0; return slow; }
  u64 on_slow = queue * s->octet_time / f->octet_time;
  if ((on_slow > ts ? on_slow : ts) < 2 * tf + delta) return slow;
  g->waiting = 1;
  return fast;
}

typedef u32 (*picker)(struct group *, u32, u64, u64);

static volatile u64 sink;

/* As pickMany() in assembly/index.ts. */
static __attribute__((always_inline)) inline double run(picker pick, int charges, u32 picks) {
  u64 us = 1000000, flow = 1, sum = 0;
  double start = now_ns();
  for (u32 i = 0; i < picks; i++) {
    us += 4;
    flow = flow * 0x9e3779b97f4a7c15ull + 1;
    u32 index = pick(&group, LENGTH, flow, us * 1000);
    struct path *p = group.members[index].path;
    if (charges && p->octet_time) PLAIN_STORE(&p->free_at, us * 1000 + queue_time(p, us * 1000) + sending(p, LENGTH + p->header));
    sum += (u64)(uintptr_t)p;
  }
  sink = sum;
  return (now_ns() - start) / picks;
}

static void reset(u32 count) {
  memset(&group, 0, sizeof group);
  memset(flowlets, 0, sizeof flowlets);
  group.count = group.period = count;
  group.seed = 1;
  group.gap = 1563;
  group.schedule = malloc(count);
  group.slots = malloc(SLOTS);
  for (u32 i = 0; i < SLOTS; i++) group.slots[i] = (i * 2654435761u >> 16) % count;
  for (u32 i = 0; i < count; i++) {
    paths[i] = (struct path){HEADER, 5000 + 1000 * i, 500, (u32)(8e9 * 256 / (2.2e9 / count)), 0};
    u32 rate = (u32)(2.2e9 / count / 8 * 64 / 1000), burst = (u32)(2.2e9 / count / 8 / 50 * 64);
    group.members[i] = (struct member){&paths[i], 1, 1500, rate, burst, burst, 0, burst | (u64)burst << 32, 0};
    group.schedule[i] = i;
    group.bids[i + 1] = i + 1;
  }
}

#define BENCH(name, pick, charges)                              \
  printf("%s\"%s\":{", first ? "" : ",", name), first = 0;     \
  for (u32 count = 2; count <= 16; count *= 2) {                \
    double best = 1e9;                                          \
    reset(count);                                               \
    for (int round = 0; round < 60; round++) {                  \
      double ns = run(pick, charges, 65536);                    \
      if (ns < best) best = ns;                                 \
    }                                                           \
    printf("%s\"%u\":%.2f", count > 2 ? "," : "", count, best); \
  }                                                             \
  printf("}");

int main(void) {
  int first = 1;
  printf("{");
  BENCH("weighted", pick_weighted, 0)
  BENCH("deficit", pick_deficit, 0)
  BENCH("random", pick_random, 0)
  BENCH("flow-hash", pick_flow_hash, 0)
  BENCH("flowlet", pick_flowlet, 0)
  BENCH("lowest-delay", pick_lowest, 1)
  BENCH("edpf", pick_edpf, 1)
  BENCH("overflow", pick_overflow, 0)
  BENCH("blest", pick_blest, 1)
  BENCH("ecf", pick_ecf, 1)
  printf("}\n");
  return 0;
}
