/**
 * Runs a command as on a kernel without IPv6: socket(2) with AF_INET6 fails with EAFNOSUPPORT, by a filter of seccomp(2) that the command
 * inherits. Usage: node without-ipv6.ts COMMAND ARGUMENT...; x86-64 and arm64.
 */
import { createRequire } from 'node:module';

const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
const libc = koffi.load('libc.so.6');
const prctl = libc.func('int prctl(int option, uint64_t a, void *b, uint64_t c, uint64_t d)');
const fcntl = libc.func('int fcntl(int fd, int command, int flags)');
const execvp = libc.func('int execvp(const char *file, const char **arguments)');

const F_SETFD = 2;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_FILTER = 2;
const SOCKET = process.arch === 'arm64' ? 198 : 41;
const AF_INET6 = 10;
const EAFNOSUPPORT = 97;
const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;
/** Offsets in struct seccomp_data. */
const NUMBER = 0;
const FIRST_ARGUMENT = 16;

/** struct sock_filter: code, jump if true, jump if false, operand. */
const program: [number, number, number, number][] = [
  [0x20, 0, 0, NUMBER],
  [0x15, 0, 3, SOCKET],
  [0x20, 0, 0, FIRST_ARGUMENT],
  [0x15, 0, 1, AF_INET6],
  [0x06, 0, 0, ERRNO | EAFNOSUPPORT],
  [0x06, 0, 0, ALLOW],
];

const filter = Buffer.alloc(program.length * 8);
program.forEach(([code, yes, no, operand], i) => {
  filter.writeUInt16LE(code, i * 8);
  filter.writeUInt8(yes, i * 8 + 2);
  filter.writeUInt8(no, i * 8 + 3);
  filter.writeUInt32LE(operand >>> 0, i * 8 + 4);
});
/** struct sock_fprog. */
const fprog = Buffer.alloc(16);
fprog.writeUInt16LE(program.length, 0);
fprog.writeBigUInt64LE(BigInt(koffi.address(filter)), 8);

if (prctl(PR_SET_NO_NEW_PRIVS, 1, null, 0, 0) !== 0) throw new Error('prctl(PR_SET_NO_NEW_PRIVS)');
if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, fprog, 0, 0) !== 0) throw new Error('prctl(PR_SET_SECCOMP)');
// Node.js would close them.
for (const fd of [0, 1, 2]) fcntl(fd, F_SETFD, 0);
const command = process.argv.slice(2);
execvp(command[0], [...command, null]);
throw new Error(`execvp(${command[0]})`);
