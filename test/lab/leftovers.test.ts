/** A lab removes what labs before it have left that were killed, and nothing else. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { folderPrefix, removeLeftovers } from '../../src/lab/leftovers.ts';
import { createNamespace, deleteNamespace } from '../../src/net/network-namespace.ts';

it('folders and namespaces of processes that are no more go, those of others stay', () => {
  const dead = spawnSync('true').pid;
  const folder = mkdtempSync(join(tmpdir(), 'tunloom-'));
  const namespaces = [`tlcn-${dead}`, `tlcn-${process.pid}`, `tlcn-${dead}-test`];
  try {
    for (const name of [`${folderPrefix(dead)}a`, `${folderPrefix(process.pid)}b`, 'other']) {
      mkdirSync(join(folder, name, 'lma'), { recursive: true });
    }
    for (const name of namespaces) createNamespace(name);
    removeLeftovers(folder);
    expect(readdirSync(folder)).toEqual(['other', `${folderPrefix(process.pid)}b`]);
    expect(namespaces.map((name) => existsSync(`/run/netns/${name}`))).toEqual([false, true, true]);
  } finally {
    rmSync(folder, { recursive: true });
    for (const name of namespaces) deleteNamespace(name);
  }
});
