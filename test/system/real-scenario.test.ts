/** `tunloom compare --real`: a scenario's traffic and events in the lab, with the kernel's TCP, beside the simulator. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { RealComparison } from '../../src/compare/real.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'tunloom-real-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SCENARIO = path.join(folder, 'mixed.yaml');
writeFileSync(
  SCENARIO,
  `name: mixed
description: all kinds of traffic; a weight changes, a link changes, a link dies
duration: 4s
paths:
  - { bid: 1, name: first, weight: 1, link: { rate: 40mbit, delay: 5ms } }
  - { bid: 7, name: second, weight: 1, link: { rate: 40mbit, delay: 8ms } }
traffic:
  - { name: stream, model: constant, direction: uplink, rate: 2mbit, packet: 1000 }
  - { name: bursts, model: on-off, rate: 2mbit, packet: 500, on: 100ms, off: 100ms, stop: 1s }
  - { name: file, model: tcp, octets: 200000, congestion: reno, stop: 2s }
  - { name: web, model: requests, octets: 20000, pause: 100ms, flows: 3, stop: 2s }
  - { name: bulk, model: tcp, congestion: bbr, start: 2s }
events:
  - { at: 1s, bid: 1, weight: 0 }
  - { at: 1500ms, bid: 7, link: { delay: 12ms } }
  - { at: 3s, bid: 1, state: down }
`,
);
const MINE = path.join(folder, 'mine.ts');
writeFileSync(
  MINE,
  `import { pathCount } from 'tunloom/scheduler';

export function pick(group: usize, length: u32, flow: u64, now: u64): u32 {
  return pathCount(group) - 1;
}
`,
);

interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Namespaces that the process has left behind. */
  readonly left: readonly string[];
}

function compareReal(...args: string[]): Promise<Output> {
  const main = new URL('../../src/cli/main.ts', import.meta.url).pathname;
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [main, 'compare', '--real', ...args],
      (error, stdout, stderr) => {
        const namespaces = execFileSync('ip', ['netns'], { encoding: 'utf8' }).split('\n');
        const left = namespaces.filter((name) => name.includes(`-${child.pid}`));
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr, left });
      },
    );
  });
}

it('runs every kind of traffic and event in both worlds and leaves nothing behind', async () => {
  const { code, stdout, stderr, left } = await compareReal(
    SCENARIO,
    '--scheduler',
    'weighted',
    '--seeds',
    '1',
    '--json',
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { comparisons } = JSON.parse(stdout) as { comparisons: RealComparison[] };
  expect(comparisons).toHaveLength(1);
  const [comparison] = comparisons;
  const of = (name: string): RealComparison['traffic'][number] =>
    comparison!.traffic.find((entry) => entry.name === name)!;
  // Datagrams leave at the same times in both worlds, and nothing loses them.
  for (const world of ['simulated', 'real'] as const) {
    expect(of('stream').lossRatio![world]).toBe(0);
    expect(of('bursts').lossRatio![world]).toBe(0);
    // A busy machine may be late by more than the paths' jitter, once.
    expect(of('stream').reordered![world]).toBeLessThan(0.01);
  }
  expect(of('stream').goodput.real).toBeGreaterThan(0.98 * of('stream').goodput.simulated);
  expect(of('bursts').goodput.real).toBe(of('bursts').goodput.simulated);
  // Each of the links takes 5 or 8 ms, the second later 12, and the resequencer waits for it.
  for (const world of ['simulated', 'real'] as const) {
    expect(of('stream').delay!.p50[world]).toBeGreaterThan(5);
    expect(of('stream').delay!.p50[world]).toBeLessThan(20);
  }
  expect(of('bulk').delay).toBeNull();
  expect(of('stream').goodput.runs.real).toEqual([of('stream').goodput.real]);
  expect(of('stream').goodput.interval).toBeNull();
  // Transfers end, with all their octets.
  expect(of('file').completion!.real).toBeGreaterThan(0);
  expect(of('file').goodput.real * 2).toBe(200_000 * 8);
  expect(of('web').completion!.real).toBeGreaterThan(0);
  expect(of('bulk').goodput.real).toBeGreaterThan(0);
  // From one second on, the first path gets nothing: less than the half that it had till then.
  for (const world of ['simulated', 'real'] as const) {
    expect(comparison!.shares.uplink[0]![world]).toBeLessThan(0.3);
    expect(comparison!.shares.uplink[0]![world]).toBeGreaterThan(0);
  }
  expect(left).toEqual([]);
});

it('runs a scheduler of your own there, too', async () => {
  const { code, stdout } = await compareReal(
    SCENARIO,
    '--scheduler',
    MINE,
    '--seeds',
    '1',
    '--duration',
    '1',
    '--json',
  );
  expect(code).toBe(0);
  const { comparisons } = JSON.parse(stdout) as { comparisons: RealComparison[] };
  const [first, second] = comparisons[0]!.shares.uplink;
  expect([first!.real, second!.real]).toEqual([first!.simulated, second!.simulated]);
  expect(second!.real).toBe(1);
});

it('says what it cannot do', async () => {
  const { code, stderr } = await compareReal(SCENARIO, '--csv', 'x.csv');
  expect(code).toBe(2);
  expect(stderr).toMatch(/--real does not go with --csv/);
});
