/** A user's scheduler: the tutorial's compiles and does what it says, bad ones are refused with the reason, bad picks are caught. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { compileScheduler } from '../../src/dataplane/scheduler-compiler.ts';
import { DistributionBench } from '../support/distribution-bench.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunloom-scheduler-'));
afterAll(() => rmSync(folder, { recursive: true }));

const HEAD = 'export function pick(group: usize, length: u32, flow: u64, now: u64): u32';
const PATHS = [
  { weight: 1, rate: 10e6, delayUs: 40_000 },
  { weight: 1, rate: 50e6, delayUs: 5000 },
  { weight: 1, rate: 50e6, delayUs: 20_000 },
];

let files = 0;
async function compile(source: string): Promise<WebAssembly.Module> {
  const file = join(folder, `mine${++files}.ts`);
  writeFileSync(file, source);
  return compileScheduler(file);
}

async function bench(source: string): Promise<DistributionBench> {
  return new DistributionBench(PATHS, { scheduler: 'custom' }, {}, await compile(source));
}

test('the scheduler of the tutorial', async () => {
  const docs = readFileSync(new URL('../../docs/schedulers.md', import.meta.url), 'utf8');
  const [, source] = /<!-- executed by [^>]*-->\s*```ts\n([^]*?)```/.exec(docs) ?? [];
  const node = await bench(source!);
  const big = Array.from({ length: 9 }, () => node.send(1200)[0]!);
  expect([...big].sort()).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
  node.node.now += 1e6;
  expect(Array.from({ length: 9 }, () => node.send(100)[0])).toEqual(Array.from({ length: 9 }, () => 1));
  node.node.sessions.setPathEstimates('mn1', 2, { delayUs: 60_000 });
  expect(node.send(100)).toEqual([2]);
});

test('state is the group’s, flows are told apart, the weighted turn is exact', async () => {
  const node = await bench(`
    import { addState, bid, pathCount, storeState, loadState, weight, jitter, loss } from 'tunloom/scheduler';
    ${HEAD} {
      storeState(group, 9, bid(group, 0) + weight(group, 0) + loss(group, 0) + <u32>jitter(group, 0));
      if (loadState(group, 1) != 2) return 99;
      return addState(group, 0, 1) % pathCount(group);
    }`);
  expect(Array.from({ length: 6 }, () => node.send(200)[0])).toEqual([0, 1, 2, 0, 1, 2]);
});

test('a pick out of range is caught and counted', async () => {
  const node = await bench(`${HEAD} { return length > 500 ? 3 : <u32>-1; }`);
  expect([node.send(1000), node.send(100)]).toEqual([[0], [0]]);
  expect(node.node.memory.counter(node.node.worker + L.WORKER_COUNTERS + L.COUNTER_PICK_REFUSED)).toBe(2);
});

describe('refused', () => {
  test.each<[string, string, RegExp]>([
    [
      'no pick',
      'export function choose(): u32 { return 0; }',
      /mine\d+\.ts: does not export pick; expected: export function pick\(group/,
    ],
    [
      'another form',
      'export function pick(group: usize): u32 { return 0; }',
      /mine\d+\.ts: pick has another form; expected/,
    ],
    ['a mistake', `${HEAD} {\n  return groop;\n}`, /Cannot find name 'groop'[^]*mine\d+\.ts\(2,10\)/],
    [
      'an import',
      `import fs from 'node:fs';\n${HEAD} { return 0; }`,
      /imports from "node:fs"; .*'tunloom\/scheduler' only/,
    ],
    [
      'an unknown question',
      `import { rtt } from 'tunloom/scheduler';\n${HEAD} { return rtt(group); }`,
      /Module 'tunloom\/scheduler' has no exported member 'rtt'/,
    ],
    [
      'a function from outside',
      `declare function ask(): u32;\n${HEAD} { return ask(); }`,
      /needs custom\.ask from outside/,
    ],
    ['a logarithm', `${HEAD} { return <u32>Math.log(<f64>flow); }`, /tables of Math\.log/],
    ['a string', `${HEAD} { return <u32>"abc".charCodeAt(<i32>(flow & 1)); }`, /static data/],
    [
      'an array literal',
      `${HEAD} { const a: u32[] = [1, 2]; return a[<i32>(flow & 1)]; }`,
      /static data|allocates/,
    ],
    ['an allocation', `${HEAD} { return new Uint32Array(8)[<i32>(flow & 7)]; }`, /allocates memory/],
  ])('%s', async (_, source, message) => {
    await expect(compile(source)).rejects.toThrow(message);
    await expect(compile(source)).rejects.toMatchObject({ code: 'BAD_SCHEDULER' });
  });

  test('no file', async () => {
    await expect(compileScheduler('/nonexistent/mine.ts')).rejects.toThrow(
      '/nonexistent/mine.ts: there is no such file',
    );
  });
});
