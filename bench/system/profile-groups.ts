/**
 * What the CPU time of a packet is spent on, and where on its way: groups and stages of functions, by their names in a stack of
 * perf(1).
 */

export interface Frame {
  readonly symbol: string;
  /** File of the code: [kernel.kallsyms], node, libc.so.6, a perf-PID.map for compiled JavaScript and WebAssembly. */
  readonly object: string;
}

interface Group {
  readonly name: string;
  readonly symbols: RegExp;
}

/** The kernel's part. Order matters only for names that match two. */
const KERNEL: readonly Group[] = [
  {
    name: 'kernel: copies',
    symbols: /^_?_?(pi_)?(copy_(from|to)|memcpy|memset|rep_movs|clear_page|skb_copy_bits)|_iter$/,
  },
  { name: 'kernel: checksums', symbols: /csum|checksum/ },
  {
    name: 'kernel: packet memory',
    symbols:
      /alloc_skb|build_skb|kmem_cache|kmalloc|kfree|skb_(release|free|segment)|consume_skb|page_frag|alloc_pages|free_(unref|pages|frozen)|__slab|sock_[rw]free|skb_set_owner|skb_orphan/,
  },
  {
    name: 'kernel: wake-ups, switches',
    symbols:
      /try_to_wake_up|__wake_up|schedule|finish_task_switch|switch_to|ep_poll_callback|pollwake|futex|sock_def_readable/,
  },
  { name: 'kernel: poll', symbols: /poll/ },
  { name: 'kernel: TUN', symbols: /^_?_?tun_/ },
  { name: 'kernel: routes', symbols: /fib_|route|^rt_|neigh|dst_/ },
  {
    name: 'kernel: veth, queues, softirq',
    symbols: /veth|softirq|backlog|netif_|net_rx|dev_(queue|hard)|sch_|qdisc|napi|gro_|gso/,
  },
  {
    name: 'kernel: IP, UDP, raw, TCP',
    symbols:
      /^_?_?(ip|ipv6|ip6|ipv4|udp|udpv6|raw(?!_spin|_read|_write)|rawv6|tcp|inet|inet6|sk|sock|nf|icmp)_|sendm|recvm|sendto/,
  },
  {
    name: 'kernel: system calls',
    symbols:
      /entry_SYSCALL|syscall|exit_to_user|__x64_sys|vfs_|ksys|do_(read|write|iter)|iovec|fdget|fput|security_/,
  },
];

/** Stages of a packet's way, by a frame that all their stacks have. */
const STAGES: readonly Group[] = [
  { name: 'TUN to us: read, readv', symbols: /^tun_(chr_read_iter|do_read)$/ },
  { name: 'us to TUN: write, writev, the inner stack', symbols: /^tun_(chr_write_iter|get_user)$/ },
  { name: 'from the path device up to the socket (softirq)', symbols: /^(handle_softirqs|net_rx_action)$/ },
  { name: 'us to path: sendmmsg or sendto, down to the device', symbols: /sys_send(m|to$)/ },
  { name: 'path to us: recvmmsg', symbols: /sys_recvm/ },
  { name: 'poll, sleeping and waking up', symbols: /sys_(e?poll|futex)|^schedule$/ },
];
const STAGE_REST = 'other in the kernel';
const STAGE_USER = 'our code';

export const STAGE_NAMES: readonly string[] = [STAGE_USER, ...STAGES.map(({ name }) => name), STAGE_REST];

const KERNEL_REST = 'kernel: other';
export const WASM = 'WebAssembly';
const JAVASCRIPT = 'JavaScript';
const FFI = 'koffi';
const USER_REST = 'node, libc';

/** All groups, in the order of reports. */
export const GROUPS: readonly string[] = [
  WASM,
  JAVASCRIPT,
  FFI,
  USER_REST,
  ...KERNEL.map(({ name }) => name),
  KERNEL_REST,
];

/**
 * The group of a stack, innermost frame first. A frame that says nothing (a spin lock's release, where the timer's interrupt
 * becomes possible again) leaves the decision to its caller.
 */
export function groupOf(stack: readonly Frame[]): string {
  const [innermost] = stack;
  if (!innermost) return USER_REST;
  if (!isKernel(innermost)) return userGroup(innermost);
  for (const frame of stack) {
    if (!isKernel(frame)) break;
    const group = KERNEL.find(({ symbols }) => symbols.test(frame.symbol));
    if (group) return group.name;
  }
  return KERNEL_REST;
}

/** The stage of a stack, innermost frame first. Interrupts that hit our own code count where they lead to. */
export function stageOf(stack: readonly Frame[]): string {
  if (!stack[0] || !isKernel(stack[0])) return STAGE_USER;
  const kernel = stack.filter(isKernel);
  return STAGES.find(({ symbols }) => kernel.some(({ symbol }) => symbols.test(symbol)))?.name ?? STAGE_REST;
}

function isKernel({ object }: Frame): boolean {
  return object.startsWith('[kernel') || object.startsWith('[guest');
}

function userGroup({ symbol, object }: Frame): string {
  if (/wasm-function/.test(symbol)) return WASM;
  if (/koffi/.test(object)) return FFI;
  if (/perf-\d+\.map|JIT/.test(object) || symbol.startsWith('Builtins_')) return JAVASCRIPT;
  return USER_REST;
}
