/*
 * rte_reorder of DPDK on arrival sequences that bench/reorder.ts puts into files (see there for build and run): packets of 32-bit
 * words, number << 1 | path, each inserted, and drained after every batch as an application would. Prints a line a file: packets that
 * came out, whether they came in order, and nanoseconds a packet (minimum over rounds, which continue the numbers).
 */
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_reorder.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCH 64

struct run {
  struct rte_reorder_buffer *window;
  struct rte_mempool *pool;
  uint64_t delivered;
  uint32_t last;
  bool started, in_order;
};

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static void drain(struct run *run) {
  struct rte_mbuf *out[BATCH];
  unsigned n;
  do {
    n = rte_reorder_drain(run->window, out, BATCH);
    for (unsigned i = 0; i < n; i++) {
      uint32_t number = *rte_reorder_seqn(out[i]);
      if (run->started && (int32_t)(number - run->last) <= 0) run->in_order = false;
      run->started = true, run->last = number;
      rte_mbuf_raw_free(out[i]);
    }
    run->delivered += n;
  } while (n == BATCH);
}

static void offer(struct run *run, uint32_t number) {
  struct rte_mbuf *packet = rte_mbuf_raw_alloc(run->pool);
  if (!packet) exit(3);
  *rte_reorder_seqn(packet) = number;
  if (!rte_reorder_insert(run->window, packet)) return;
  if (rte_errno == ENOSPC) {
    drain(run);
    if (!rte_reorder_insert(run->window, packet)) return;
  }
  rte_mbuf_raw_free(packet);
}

static uint32_t *read_arrivals(const char *name, size_t *count) {
  FILE *file = fopen(name, "rb");
  if (!file) exit(2);
  fseek(file, 0, SEEK_END);
  *count = ftell(file) / 4;
  rewind(file);
  uint32_t *arrivals = malloc(*count * 4);
  if (fread(arrivals, 4, *count, file) != *count) exit(2);
  fclose(file);
  return arrivals;
}

/* Arguments: window, rounds, numbers a round (lost ones included), files. */
int main(int argc, char **argv) {
  char *options[] = {argv[0], "--no-huge", "-m", "64", "--no-shconf", "--no-pci", "--no-telemetry", "-l", "0", "--log-level", "4", NULL};
  if (rte_eal_init(11, options) < 0) return 4;
  unsigned window = atoi(argv[1]), rounds = atoi(argv[2]), numbers = atoi(argv[3]);
  struct run run = {.pool = rte_pktmbuf_pool_create("packets", 4 * window - 1, 256, 0, 256, SOCKET_ID_ANY)};
  if (!run.pool) return 5;
  for (int i = 4; i < argc; i++) {
    size_t count;
    uint32_t *arrivals = read_arrivals(argv[i], &count);
    run.window = rte_reorder_create("window", SOCKET_ID_ANY, window);
    if (!run.window) return 6;
    run.delivered = 0, run.started = false, run.in_order = true;
    double best = 1e18;
    for (unsigned round = 0; round < rounds; round++) {
      uint32_t base = round * numbers;
      double start = now_ns();
      for (size_t at = 0; at < count; at += BATCH) {
        size_t end = at + BATCH < count ? at + BATCH : count;
        for (size_t j = at; j < end; j++) offer(&run, base + (arrivals[j] >> 1));
        drain(&run);
      }
      double ns = (now_ns() - start) / count;
      if (ns < best) best = ns;
    }
    printf("%lu %d %.2f\n", run.delivered, run.in_order, best);
    rte_reorder_free(run.window);
    free(arrivals);
  }
  return 0;
}
