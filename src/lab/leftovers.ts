/** What a lab leaves behind that is killed: its namespaces and its folder, both named after its process. A later lab removes them. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { deleteNamespace } from '../net/network-namespace.ts';

const NAMESPACES = '/run/netns';
/** With the process id; names of tests, which have more behind it, are none of ours. */
const NAMESPACE = /^tl(?:mn|mag|lma|cn|wan)-(\d+)$/;
const FOLDER = /^tunloom-lab-(\d+)-/;

/** The beginning of the folder's name of this process. */
export function folderPrefix(process: number): string {
  return `tunloom-lab-${process}-`;
}

/** Removes what labs of processes that are no more have left, folders of them in `temporary`. */
export function removeLeftovers(temporary: string): void {
  for (const name of orphans(NAMESPACES, NAMESPACE)) deleteNamespace(name);
  for (const name of orphans(temporary, FOLDER)) {
    rmSync(join(temporary, name), { recursive: true, force: true });
  }
}

function orphans(folder: string, pattern: RegExp): string[] {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names.filter((name) => {
    const process = pattern.exec(name)?.[1];
    return process !== undefined && !existsSync(`/proc/${process}`);
  });
}
