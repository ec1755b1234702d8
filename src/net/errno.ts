/** errno(3) values of Linux and the error that carries them. */
import { constants } from 'node:os';
import { TunloomError } from '../errors.ts';

const NAMES = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));
// Of two names for one number, the one that Linux's manuals use.
NAMES.set(11, 'EAGAIN');
NAMES.set(95, 'EOPNOTSUPP');
// Not in node:os: errno-base.h and errno.h of Linux.
NAMES.set(12, 'ENOMEM');
NAMES.set(19, 'ENODEV');

/** Name of an errno value, such as EPERM. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `errno ${errno}`;
}

/** A system call that failed; `code` is SYSTEM_CALL, `errno` the number. */
export class SystemCallError extends TunloomError {
  readonly errno: number;

  /** `call` names function and subject, such as `bind(192.0.2.1)`. */
  constructor(call: string, errno: number) {
    super('SYSTEM_CALL', `${call}: ${errnoName(errno)}`);
    this.errno = errno;
  }
}
