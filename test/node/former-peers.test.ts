import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FormerPeers } from '../../src/node/former-peers.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunloom-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const PEERS = [
  { endpoint: { address: '2001:db8:a::1', port: null }, local: { address: '2001:db8:f::1', port: null } },
  {
    endpoint: { address: '203.0.113.7', port: 40_000 },
    local: { address: '192.0.2.1', port: 5436 },
    spi: 0x102,
  },
];

test('the peers of one run are those of before in the next; unchanged ones are not written again', () => {
  const first = new FormerPeers(folder);
  expect(first.read()).toEqual([]);
  first.write(PEERS);
  const { ino } = statSync(join(folder, 'peers'));
  const second = new FormerPeers(folder);
  expect(second.read()).toEqual(PEERS);
  second.write(PEERS);
  expect(statSync(join(folder, 'peers')).ino).toBe(ino);
  second.write([]);
  expect(new FormerPeers(folder).read()).toEqual([]);
  expect(readdirSync(folder)).toEqual(['peers']);
});

test('something else in the file is refused', () => {
  writeFileSync(join(folder, 'peers'), '[{"endpoint":{"address":"lma","port":1}}]');
  expect(() => new FormerPeers(folder).read()).toThrow();
  writeFileSync(join(folder, 'peers'), '[{"endp');
  expect(() => new FormerPeers(folder).read()).toThrow();
});
