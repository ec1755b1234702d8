/** Kernel settings below /proc/sys/net (Documentation/networking/ip-sysctl.rst), which every network namespace has its own of. */
import { readFileSync, writeFileSync } from 'node:fs';
import { TunloomError } from '../errors.ts';
import { withNamespace } from './network-namespace.ts';

/** Writes a setting; gives the value that it had. Throws SYSCTL naming it. */
export function exchangeSysctl(namespace: string | null, key: string, value: string): string {
  const path = `/proc/sys/net/${key}`;
  return withNamespace(namespace, () => {
    try {
      const before = readFileSync(path, 'utf8').trim();
      if (before !== value) writeFileSync(path, value);
      return before;
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code ?? String(error);
      throw new TunloomError('SYSCTL', `${path} = ${value}: ${reason}`, { cause: error });
    }
  });
}

/** The value of a setting, null if this kernel does not have it. */
export function readSysctl(namespace: string | null, key: string): string | null {
  return withNamespace(namespace, () => {
    try {
      return readFileSync(`/proc/sys/net/${key}`, 'utf8').trim();
    } catch {
      return null;
    }
  });
}
