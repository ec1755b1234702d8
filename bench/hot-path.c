/*
 * The C twin of the benchmarked hot-path loops (bench/hot-path.ts): the same work on the same packet, compiled by
 * gcc -O3. Prints nanoseconds a packet as JSON. Build and run: see bench/run.ts.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 64
#define SLOT 2048

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static uint32_t fold(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  uint32_t s = (uint32_t)sum;
  s = (s & 0xffff) + (s >> 16);
  return (s & 0xffff) + (s >> 16);
}

static uint64_t add(uint64_t sum, const uint8_t *at, uint32_t length) {
  uint32_t word;
  for (; length >= 4; at += 4, length -= 4) {
    memcpy(&word, at, 4);
    sum += word;
  }
  return sum;
}

struct entry { uint64_t key; uint32_t value, pad; };

static uint64_t home(uint64_t key, uint64_t seed, int bits) {
  return ((key ^ seed) * 0x9e3779b97f4a7c15ull) >> (64 - bits);
}

static uint32_t find(const struct entry *table, int bits, uint64_t seed, uint64_t key) {
  uint64_t mask = (1ull << bits) - 1, at = home(key, seed, bits);
  for (;;) {
    uint32_t value = __atomic_load_n(&table[at].value, __ATOMIC_SEQ_CST);
    if (!value) return 0;
    if (table[at].key == key) return value;
    at = (at + 1) & mask;
  }
}

static volatile uint32_t sink;

/* One table a prefix length and a bit set of the lengths in use: classify/prefix-table.ts in C. */
static struct {
  uint64_t lengths[3];
  struct { const struct entry *entries; uint64_t bits; } tables[129];
} prefixes;

static uint64_t load_be64(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, 8);
  return __builtin_bswap64(word);
}

static __attribute__((noinline)) uint32_t find_session6(const uint8_t *at, uint64_t seed) {
  uint64_t high = load_be64(at);
  for (int word = 2; word >= 0; word--) {
    uint64_t lengths = __atomic_load_n(&prefixes.lengths[word], __ATOMIC_SEQ_CST);
    while (lengths) {
      int bit = 63 - __builtin_clzll(lengths);
      lengths ^= 1ull << bit;
      int length = word * 64 + bit;
      /* Lengths beyond /64 have tables of another form in both; none is in use here. */
      uint64_t key = length ? high & (~0ull << (64 - length)) : 0;
      uint32_t value = find(prefixes.tables[length].entries, (int)prefixes.tables[length].bits, seed, key);
      if (value) return value;
    }
  }
  return 0;
}

#define LIST (1 << 16)
#define LOOKUPS 4096

/* Least nanoseconds of a look-up among `sessions` /64 prefixes, addresses lying ready in memory, LOOKUPS in a row. */
static double lookup(uint32_t sessions) {
  static uint8_t list[LIST][16];
  int bits = 4;
  while ((1u << bits) < sessions * 2) bits++;
  struct entry *table = calloc(1ull << bits, sizeof *table);
  uint64_t seed = 0x1234567, mask = (1ull << bits) - 1;
  for (uint32_t i = 0; i < sessions; i++) {
    uint64_t key = (0x20010db8ull << 32) | i, at = home(key, seed, bits);
    while (table[at].value) at = (at + 1) & mask;
    table[at].key = key;
    table[at].value = i + 1;
  }
  memset(&prefixes, 0, sizeof prefixes);
  prefixes.lengths[1] = 1;
  prefixes.tables[64].entries = table;
  prefixes.tables[64].bits = bits;
  uint32_t state = 1;
  for (uint32_t i = 0; i < LIST; i++) {
    state = state * 1664525 + 1013904223;
    uint64_t key = __builtin_bswap64((0x20010db8ull << 32) | (uint32_t)(((uint64_t)state * sessions) >> 32));
    memcpy(list[i], &key, 8);
  }
  double least = 1e9;
  for (uint32_t round = 0; round < 4000; round++) {
    uint32_t first = (round * LOOKUPS) & (LIST - 1);
    double start = now_ns();
    for (uint32_t i = 0; i < LOOKUPS; i++) sink += find_session6(list[first + i], seed);
    double took = (now_ns() - start) / LOOKUPS;
    if (took < least) least = took;
  }
  free(table);
  return least;
}

/* Check, look up, draw a ticket, pick a path, lay a UDP + TLV + GRE header in front: encapsulation.ts in C. */
static double encapsulate(uint32_t length) {
  static uint8_t slots[BATCH][SLOT], header[48];
  static struct entry table[16];
  static uint64_t ticket, counters[4];
  uint64_t seed = 99, key = 0xc0000200;
  table[home(key, seed, 4)] = (struct entry){key, 1, 0};
  header[0] = 0x45;
  header[8] = 64;
  header[9] = 17;
  for (int i = 0; i < BATCH; i++) {
    uint8_t *p = slots[i] + 192;
    p[0] = 0x45;
    *(uint16_t *)(p + 2) = htons(length);
    p[8] = 64;
    p[9] = 17;
    *(uint32_t *)(p + 12) = htonl(0xc000020a);
    *(uint16_t *)(p + 10) = (uint16_t)~fold(add(0, p, 20));
  }
  double least = 1e9;
  for (uint32_t r = 0; r < 1u << 16; r++) {
    double start = now_ns();
    for (int i = 0; i < BATCH; i++) {
      uint8_t *p = slots[i] + 192;
      if (p[0] >> 4 != 4 || fold(add(0, p, 20)) != 0xffff || !p[8]) continue;
      if (!find(table, 4, seed, ntohl(*(uint32_t *)(p + 12)) & 0xffffff00)) continue;
      uint64_t t = __atomic_fetch_add(&ticket, 1, __ATOMIC_SEQ_CST);
      uint32_t path = (uint32_t)(t % 5) & 1;
      uint8_t *o = p - 44;
      memcpy(p - 48, header, 48);
      o[1] = p[1];
      *(uint16_t *)(o + 2) = htons(length + 44);
      *(uint16_t *)(o + 4) = htons((uint16_t)t);
      *(uint16_t *)(o + 34) = htons(0x0800);
      *(uint32_t *)(o + 40) = htonl((uint32_t)t);
      *(uint16_t *)(o + 10) = (uint16_t)~fold(add(0, o, 20));
      *(uint16_t *)(o + 24) = htons(length + 24);
      *(uint16_t *)(o + 30) = htons(length + 12);
      counters[path]++;
    }
    double took = (now_ns() - start) / BATCH;
    if (took < least) least = took;
  }
  sink += slots[0][170] + (uint32_t)counters[0];
  return least;
}

static double copy(uint32_t length) {
  static uint8_t from[BATCH][SLOT], to[BATCH][SLOT];
  uint32_t rounds = 1u << 16;
  double start = now_ns();
  for (uint32_t r = 0; r < rounds; r++)
    for (int i = 0; i < BATCH; i++) {
      memcpy(to[i], from[i], length);
      __asm__ volatile("" ::: "memory");
    }
  return (now_ns() - start) / rounds / BATCH;
}

int main(void) {
  printf("{\"encapsulate\": %.2f, \"copy\": %.2f, \"lookup\": {\"1\": %.2f, \"1000\": %.2f, \"100000\": %.2f}}\n",
         encapsulate(1400), copy(1400), lookup(1), lookup(1000), lookup(100000));
  return 0;
}
