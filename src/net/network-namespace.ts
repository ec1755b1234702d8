/** Network namespaces (network_namespaces(7), ip-netns(8)): a descriptor opened inside one stays there. */
import { execFileSync } from 'node:child_process';
import { close, open, setns } from './libc.ts';

const CLONE_NEWNET = 0x4000_0000;
const O_RDONLY_CLOEXEC = 0o2000000;

/** Runs `action`, which must be synchronous, with the calling thread in namespace `name`; null stays here. */
export function withNamespace<T>(name: string | null, action: () => T): T {
  if (name === null) return action();
  const home = open('/proc/thread-self/ns/net', O_RDONLY_CLOEXEC);
  try {
    enterNamespace(name);
    try {
      return action();
    } finally {
      setns(home, CLONE_NEWNET, 'the former namespace');
    }
  } finally {
    close(home);
  }
}

/** Moves the calling thread into namespace `name` for good (setns(2)). */
export function enterNamespace(name: string): void {
  withNamespaceFd(name, (fd) => setns(fd, CLONE_NEWNET, name));
}

/** Gives `action` a descriptor of namespace `name` while it runs. */
export function withNamespaceFd<T>(name: string, action: (fd: number) => T): T {
  const fd = open(`/run/netns/${name}`, O_RDONLY_CLOEXEC);
  try {
    return action(fd);
  } finally {
    close(fd);
  }
}

/** Creates a named namespace, as ip-netns(8) does. Throws what execFileSync() throws if there is one of this name. */
export function createNamespace(name: string): void {
  execFileSync('ip', ['netns', 'add', name], { stdio: 'pipe' });
}

/** Deletes the namespace if it is there. */
export function deleteNamespace(name: string): void {
  try {
    execFileSync('ip', ['netns', 'delete', name], { stdio: 'pipe' });
  } catch {
    // It was not there.
  }
}
