/**
 * libc through koffi, loaded on first use. Two kinds of functions: hot ones (one call a batch or packet) take absolute
 * addresses as numbers and give the result or -errno, without allocating; the rest throw SystemCallError.
 */
import { createRequire } from 'node:module';
import { TunloomError } from '../errors.ts';
import { SystemCallError } from './errno.ts';

const O_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;

type Native = (...values: unknown[]) => number;

interface Library {
  readonly read: Native;
  readonly write: Native;
  readonly readv: Native;
  readonly writev: Native;
  readonly recvmmsg: Native;
  readonly sendmmsg: Native;
  readonly poll: Native;
  readonly ppoll: Native;
  readonly sched_yield: Native;
  readonly prctl: Native;
  readonly setpriority: Native;
  readonly open: Native;
  readonly close: Native;
  readonly dup3: Native;
  readonly ioctl: Native;
  readonly ioctlNumber: Native;
  readonly socket: Native;
  readonly bind: Native;
  readonly connect: Native;
  readonly setsockopt: Native;
  readonly getsockopt: Native;
  readonly eventfd: Native;
  readonly setns: Native;
  readonly sendto: Native;
  readonly sendNothing: Native;
  readonly syscall: Native;
  readonly mmap: Native;
  readonly recv: Native;
  readonly recvfrom: Native;
  readonly epoll_create1: Native;
  readonly epoll_ctl: Native;
  readonly epoll_wait: Native;
  readonly clock_gettime: Native;
  errno(): number;
  address(view: Uint8Array): number;
}

let loaded: Library | undefined;

function libc(): Library {
  loaded ??= load();
  return loaded;
}

function load(): Library {
  let koffi: typeof import('koffi');
  try {
    koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  } catch (error) {
    throw new TunloomError('NO_FFI', 'koffi has no binary for this machine; system calls are not possible', {
      cause: error,
    });
  }
  const library = koffi.load('libc.so.6');
  const declare = (signature: string): Native => library.func(signature) as unknown as Native;
  return {
    read: declare('int64_t read(int fd, uint64_t buffer, uint64_t count)'),
    write: declare('int64_t write(int fd, uint64_t buffer, uint64_t count)'),
    readv: declare('int64_t readv(int fd, uint64_t vectors, int count)'),
    writev: declare('int64_t writev(int fd, uint64_t vectors, int count)'),
    recvmmsg: declare('int recvmmsg(int fd, uint64_t messages, uint32_t count, int flags, uint64_t timeout)'),
    sendmmsg: declare('int sendmmsg(int fd, uint64_t messages, uint32_t count, int flags)'),
    ppoll: declare('int ppoll(uint64_t descriptors, uint64_t count, uint64_t timeout, uint64_t signals)'),
    sched_yield: declare('int sched_yield()'),
    prctl: declare('int prctl(int option, uint64_t a, uint64_t b, uint64_t c, uint64_t d)'),
    setpriority: declare('int setpriority(int which, uint32_t who, int priority)'),
    poll: declare('int poll(uint64_t descriptors, uint64_t count, int timeout)'),
    open: declare('int open(const char *path, int flags)'),
    close: declare('int close(int fd)'),
    dup3: declare('int dup3(int from, int to, int flags)'),
    ioctl: declare('int ioctl(int fd, uint64_t request, uint8_t *argument)'),
    ioctlNumber: declare('int ioctl(int fd, uint64_t request, uint64_t argument)'),
    socket: declare('int socket(int domain, int type, int protocol)'),
    bind: declare('int bind(int fd, const uint8_t *address, uint32_t length)'),
    connect: declare('int connect(int fd, const uint8_t *address, uint32_t length)'),
    setsockopt: declare(
      'int setsockopt(int fd, int level, int option, const uint8_t *value, uint32_t length)',
    ),
    getsockopt: declare('int getsockopt(int fd, int level, int option, uint8_t *value, uint32_t *length)'),
    eventfd: declare('int eventfd(uint32_t initial, int flags)'),
    setns: declare('int setns(int fd, int type)'),
    sendto: declare(
      'int64_t sendto(int fd, const uint8_t *data, uint64_t size, int flags, const uint8_t *to, uint32_t length)',
    ),
    sendNothing: declare(
      'int64_t sendto(int fd, uint64_t data, uint64_t size, int flags, uint64_t to, uint32_t length)',
    ),
    syscall: declare(
      'int64_t syscall(int64_t number, int64_t command, const uint8_t *argument, uint64_t size)',
    ),
    mmap: declare(
      'int64_t mmap(uint64_t address, uint64_t length, int protection, int flags, int fd, int64_t offset)',
    ),
    recv: declare('int64_t recv(int fd, uint8_t *data, uint64_t size, int flags)'),
    recvfrom: declare(
      'int64_t recvfrom(int fd, uint8_t *data, uint64_t size, int flags, uint8_t *from, uint32_t *length)',
    ),
    epoll_create1: declare('int epoll_create1(int flags)'),
    epoll_ctl: declare('int epoll_ctl(int epoll, int operation, int fd, const uint8_t *event)'),
    epoll_wait: declare('int epoll_wait(int epoll, uint8_t *events, int count, int timeout)'),
    clock_gettime: declare('int clock_gettime(int clock, uint8_t *time)'),
    errno: () => koffi.errno(),
    address: (view) => Number(koffi.address(view)),
  };
}

/** Absolute address of the first octet of a WebAssembly memory; it does not move. */
export function addressOf(memory: WebAssembly.Memory): number {
  return libc().address(new Uint8Array(memory.buffer));
}

/** Absolute address of octets in JS memory; only good until the next garbage collection, so use it at once. */
export function addressOfBytes(bytes: Uint8Array): number {
  return libc().address(bytes);
}

// ---- hot calls

/** read(2): octets read or -errno. */
export function readInto(fd: number, address: number, length: number): number {
  const result = libc().read(fd, address, length);
  return result < 0 ? -libc().errno() : result;
}

/** readv(2) into the `count` struct iovec at `vectors`: octets read or -errno. */
export function readVector(fd: number, vectors: number, count: number): number {
  const result = libc().readv(fd, vectors, count);
  return result < 0 ? -libc().errno() : result;
}

/** writev(2): octets written or -errno. */
export function writeVector(fd: number, vectors: number, count: number): number {
  const result = libc().writev(fd, vectors, count);
  return result < 0 ? -libc().errno() : result;
}

/** recvmmsg(2) with MSG_DONTWAIT: messages received or -errno. */
export function recvmmsg(fd: number, messages: number, count: number): number {
  const result = libc().recvmmsg(fd, messages, count, MSG_DONTWAIT, 0);
  return result < 0 ? -libc().errno() : result;
}

/** sendmmsg(2), with MSG_DONTWAIT unless `flags` say otherwise: messages sent or -errno of the first. */
export function sendmmsg(fd: number, messages: number, count: number, flags = MSG_DONTWAIT): number {
  const result = libc().sendmmsg(fd, messages, count, flags);
  return result < 0 ? -libc().errno() : result;
}

/** sendto(2) without data, which makes the kernel look at a ring: 0 or -errno. */
export function sendRing(fd: number): number {
  const result = libc().sendNothing(fd, 0, 0, MSG_DONTWAIT, 0, 0);
  return result < 0 ? -libc().errno() : result;
}

/** poll(2): ready descriptors or -errno; `timeout` in milliseconds, -1 for ever. */
export function poll(descriptors: number, count: number, timeout: number): number {
  const result = libc().poll(descriptors, count, timeout);
  return result < 0 ? -libc().errno() : result;
}

/** sched_yield(2): threads that wait for this core go first. */
export function yieldCore(): void {
  libc().sched_yield();
}

/** ppoll(2) with a struct timespec at `timeout`: ready descriptors or -errno. */
export function pollUntil(descriptors: number, count: number, timeout: number): number {
  const result = libc().ppoll(descriptors, count, timeout, 0);
  return result < 0 ? -libc().errno() : result;
}

// ---- the rest

const PR_SET_TIMERSLACK = 29;

/** How much later than asked for, in nanoseconds, the calling thread may be woken by a timer (prctl(2)); the default is 50 us. */
export function setTimerSlack(nanoseconds: number): void {
  libc().prctl(PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0);
}

/** The calling thread's nice value (setpriority(2)), -20 to 19; nothing happens without CAP_SYS_NICE. */
export function setNiceness(value: number): void {
  libc().setpriority(0, 0, value);
}

function check(result: number, call: string): number {
  if (result < 0) throw new SystemCallError(call, libc().errno());
  return result;
}

/** open(2) with O_* flags; the descriptor. */
export function open(path: string, flags: number): number {
  return check(libc().open(path, flags), `open(${path})`);
}

/** close(2); errors are of no use to anyone. */
export function close(fd: number): void {
  libc().close(fd);
}

/** dup3(2): descriptor `to` is what `from` was from now on, and `from` is closed. Close-on-exec. */
export function replaceDescriptor(from: number, to: number): void {
  check(libc().dup3(from, to, O_CLOEXEC), `dup3(${from}, ${to})`);
  close(from);
}

/** ioctl(2) with a struct as argument, changed in place; `what` names request and subject in errors. */
export function ioctl(fd: number, request: number, argument: Uint8Array, what: string): void {
  check(libc().ioctl(fd, request, argument), `ioctl(${what})`);
}

/** ioctl(2) with a number as argument: the result or -errno. */
export function ioctlNumber(fd: number, request: number, argument: number): number {
  const result = libc().ioctlNumber(fd, request, argument);
  return result < 0 ? -libc().errno() : result;
}

/** socket(2). */
export function socket(domain: number, type: number, protocol: number): number {
  return check(libc().socket(domain, type, protocol), `socket(${domain}, ${type}, ${protocol})`);
}

/** bind(2) to a struct sockaddr; `what` names the address in errors. */
export function bind(fd: number, sockaddr: Uint8Array, length: number, what: string): void {
  check(libc().bind(fd, sockaddr, length), `bind(${what})`);
}

/** connect(2) to a struct sockaddr; `what` names the address in errors. */
export function connect(fd: number, sockaddr: Uint8Array, length: number, what: string): void {
  check(libc().connect(fd, sockaddr, length), `connect(${what})`);
}

/** setsockopt(2) with raw octets; false if refused with EPERM, throws on other errors. */
export function setOption(
  fd: number,
  level: number,
  option: number,
  value: Uint8Array,
  what: string,
): boolean {
  if (libc().setsockopt(fd, level, option, value, value.length) >= 0) return true;
  const errno = libc().errno();
  if (errno === 1) return false;
  throw new SystemCallError(`setsockopt(${what})`, errno);
}

/** setsockopt(2) with an int. */
export function setIntOption(
  fd: number,
  level: number,
  option: number,
  value: number,
  what: string,
): boolean {
  return setOption(fd, level, option, new Uint8Array(Int32Array.of(value).buffer), what);
}

/** getsockopt(2): the octets of the value, at most `size`. */
export function getOption(fd: number, level: number, option: number, size: number, what: string): Uint8Array {
  const value = new Uint8Array(size);
  const length = Uint32Array.of(size);
  check(libc().getsockopt(fd, level, option, value, length), `getsockopt(${what})`);
  return value.subarray(0, length[0]);
}

const CLOCK_REALTIME = 0;
const clockTime = new BigInt64Array(2);
const clockOctets = new Uint8Array(clockTime.buffer);

/** CLOCK_REALTIME in microseconds (clock_gettime(2)); Date.now() has whole milliseconds. */
export function realtimeMicroseconds(): number {
  libc().clock_gettime(CLOCK_REALTIME, clockOctets);
  return Number(clockTime[0]) * 1e6 + Number(clockTime[1]) / 1e3;
}

const BPF = process.arch === 'arm64' ? 280 : 321;

/** bpf(2), which has no wrapper in libc; `attribute` (union bpf_attr) may be changed. Throws SystemCallError. */
export function bpf(command: number, attribute: Uint8Array, what: string): number {
  return check(libc().syscall(BPF, command, attribute, attribute.length), `bpf(${what})`);
}

const PROT_READ_WRITE = 3;
const MAP_SHARED = 0x01;
const MAP_PRIVATE_FIXED_ANONYMOUS = 0x32;
const MAP_FIXED = 0x10;
const MAP_POPULATE = 0x8000;

/** mmap(2) of a descriptor over memory that is there already. Throws SystemCallError. */
export function mapShared(address: number, length: number, fd: number, offset: number, what: string): void {
  const flags = MAP_SHARED | MAP_FIXED | MAP_POPULATE;
  check(libc().mmap(address, length, PROT_READ_WRITE, flags, fd, offset), `mmap(${what})`);
}

/** mmap(2): zeros take the place of whatever is mapped there. Throws SystemCallError. */
export function mapAnonymous(address: number, length: number): void {
  check(libc().mmap(address, length, PROT_READ_WRITE, MAP_PRIVATE_FIXED_ANONYMOUS, -1, 0), 'mmap(zeros)');
}

/** eventfd(2). */
export function eventfd(flags: number): number {
  return check(libc().eventfd(0, flags), 'eventfd()');
}

/** setns(2): moves the calling thread. */
export function setns(fd: number, type: number, what: string): void {
  check(libc().setns(fd, type), `setns(${what})`);
}

/** sendto(2); throws on errors. */
export function sendTo(
  fd: number,
  data: Uint8Array,
  sockaddr: Uint8Array,
  length: number,
  what: string,
): number {
  return check(libc().sendto(fd, data, data.length, 0, sockaddr, length), `sendto(${what})`);
}

/** recv(2) with MSG_DONTWAIT: octets received, or -errno. */
export function receive(fd: number, data: Uint8Array): number {
  const result = libc().recv(fd, data, data.length, MSG_DONTWAIT);
  return result < 0 ? -libc().errno() : result;
}

/** recvfrom(2) with MSG_DONTWAIT: octets received, or -errno; `sockaddr` gets the sender's address. */
export function receiveFrom(fd: number, data: Uint8Array, sockaddr: Uint8Array): number {
  const result = libc().recvfrom(
    fd,
    data,
    data.length,
    MSG_DONTWAIT,
    sockaddr,
    Uint32Array.of(sockaddr.length),
  );
  return result < 0 ? -libc().errno() : result;
}

/** write(2) of octets in JS memory: octets written or -errno. */
export function writeBytes(fd: number, data: Uint8Array): number {
  const result = libc().write(fd, libc().address(data), data.length);
  return result < 0 ? -libc().errno() : result;
}

/** epoll_create1(2), close on exec. */
export function createEpoll(): number {
  return check(libc().epoll_create1(O_CLOEXEC), 'epoll_create1()');
}

/** epoll_ctl(2) with a struct epoll_event. */
export function controlEpoll(epoll: number, operation: number, fd: number, event: Uint8Array): void {
  check(libc().epoll_ctl(epoll, operation, fd, event), `epoll_ctl(${operation}, ${fd})`);
}

/** epoll_wait(2): number of struct epoll_event written to `events`, or -errno. `timeout` in milliseconds. */
export function waitEpoll(epoll: number, events: Uint8Array, count: number, timeout: number): number {
  const result = libc().epoll_wait(epoll, events, count, timeout);
  return result < 0 ? -libc().errno() : result;
}
