/** `tunloom compare` as people type it: results, resuming, shards and merging, reports, bad input. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { type CompareResult, digestOf } from '../../src/compare/job.ts';
import { planJobs } from '../../src/compare/plan.ts';
import { tryOwnSchedulers } from '../../src/compare/trial.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'tunloom-compare-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SCENARIO = path.join(folder, 'small.yaml');
writeFileSync(
  SCENARIO,
  `name: small
description: two links
duration: 500ms
paths:
  - { bid: 1, weight: 2, link: { rate: 20mbit, delay: 5ms } }
  - { bid: 2, link: { rate: 10mbit, delay: 15ms, loss: 0.5% } }
traffic:
  - { name: <stream>, model: poisson, rate: 20mbit, packet: 1200 }
`,
);

function tunloom(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const main = new URL('../../src/cli/main.ts', import.meta.url).pathname;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [main, 'compare', ...args],
      { maxBuffer: 64 << 20 },
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
      },
    );
  });
}

const file = (name: string): string => path.join(folder, name);

it('runs schedulers on a scenario: JSON with scheduler, scenario, seed, metrics', async () => {
  const { code, stdout } = await tunloom(
    SCENARIO,
    '--scheduler',
    'weighted',
    '--scheduler',
    'edpf',
    '--seeds',
    '2',
    '--json',
  );
  expect(code).toBe(0);
  const { results } = JSON.parse(stdout) as { results: CompareResult[] };
  expect(results.map(({ scenario, scheduler, seed }) => [scenario, scheduler, seed])).toEqual([
    ['small', 'edpf', 1],
    ['small', 'edpf', 2],
    ['small', 'weighted', 1],
    ['small', 'weighted', 2],
  ]);
  expect(results[0]!.metrics.goodput).not.toBe(results[1]!.metrics.goodput);
  for (const { metrics } of results) expect(metrics.goodput / 20e6).toBeCloseTo(0.97, 0);
});

it('shards together are the whole, and runs that are there are not repeated', async () => {
  const sweep = [SCENARIO, '--scheduler', 'weighted', '--seeds', '3', '--set', 'window=64,256'];
  const [one, two, whole] = [file('1.jsonl'), file('2.jsonl'), file('all.jsonl')];
  await tunloom(...sweep, '--shard', '1/2', '--results', one);
  await tunloom(...sweep, '--shard', '2/2', '--results', two);
  await tunloom(...sweep, '--results', whole);
  const lines = (name: string): string[] => readFileSync(name, 'utf8').trim().split('\n');
  expect([...lines(one), ...lines(two)].sort()).toEqual(lines(whole).sort());
  expect(lines(whole)).toHaveLength(6);
  // A run that was stopped in the midst of a line goes on.
  writeFileSync(whole, `${lines(whole).slice(0, 5).join('\n')}\n{"scheduler":"wei`);
  const resumed = await tunloom(...sweep, '--results', whole, '--json');
  expect([...lines(one), ...lines(two)].sort()).toEqual(lines(whole).sort());
  // A run that is in two files is one run.
  const merged = await tunloom('--merge', two, one, two, whole, '--json');
  const { results } = JSON.parse(merged.stdout) as { results: CompareResult[] };
  expect(results.map((result) => JSON.stringify(result)).sort()).toEqual(lines(whole).sort());
  expect(results.map(({ seed, parameters }) => [parameters.window, seed])).toEqual(
    [64, 256].flatMap((window) => [1, 2, 3].map((seed) => [window, seed])),
  );
  // To the octet what the one machine says.
  expect(merged.stdout).toBe(resumed.stdout);
});

it('runs of another scenario or scheduler of the same name are not mixed in', async () => {
  const [runs, others] = [file('runs.jsonl'), file('others.jsonl')];
  const sweep = [SCENARIO, '--scheduler', 'weighted', '--seeds', '1', '--results', runs];
  expect(await tunloom(...sweep)).toMatchObject({ code: 0 });
  const refused = await tunloom(...sweep, '--duration', '0.1');
  expect(refused).toMatchObject({ code: 2 });
  expect(refused.stderr).toContain(`${runs}: the scenario small was another one`);
  const result = JSON.parse(readFileSync(runs, 'utf8')) as CompareResult;
  const other = { ...result, seed: 2, digests: { ...result.digests, scheduler: 'another' } };
  writeFileSync(others, `${JSON.stringify(other)}\n`);
  const mixed = await tunloom('--merge', runs, others);
  expect(mixed).toMatchObject({ code: 2 });
  expect(mixed.stderr).toContain('the scheduler weighted was another one');
});

it('writes a table, CSV and a page with everything in it', async () => {
  const { stdout } = await tunloom(
    SCENARIO,
    '--scheduler',
    'weighted',
    '--seeds',
    '1',
    '--csv',
    file('r.csv'),
    '--html',
    file('r.html'),
  );
  expect(stdout).toContain('small (1 seed, too few to tell differences: that takes 6)');
  expect(readFileSync(file('r.csv'), 'utf8').split('\r\n')[1]).toMatch(/^weighted,small,1,,\d/);
  const page = readFileSync(file('r.html'), 'utf8');
  expect(page.match(/<svg /g)!.length).toBeGreaterThanOrEqual(8);
  expect(page).not.toMatch(/https?:\/\/(?!www\.w3\.org)/);
});

it('compares a scheduler of your own with a built-in one', async () => {
  const mine = file('second.ts');
  writeFileSync(
    mine,
    'export function pick(group: usize, length: u32, flow: u64, now: u64): u32 {\n  return 1;\n}\n',
  );
  const { code, stdout, stderr } = await tunloom(
    SCENARIO,
    '--scheduler',
    mine,
    '--scheduler',
    'weighted',
    '--seeds',
    '1',
    '--json',
  );
  expect(stderr).toBe('');
  expect(code).toBe(0);
  const { results } = JSON.parse(stdout) as { results: CompareResult[] };
  const shares = results.map(({ metrics }) => metrics.directions.downlink.paths.map(({ share }) => share));
  expect(shares[0]).toEqual([0, 1]);
  expect(results[0]!.digests.scheduler).toBe(digestOf(readFileSync(mine, 'utf8')));
  expect(shares[1]![0]).toBeCloseTo(2 / 3, 2);
});

it('runs a scenario once for each value of a property of a link, and ranks each by itself', async () => {
  const { code, stdout } = await tunloom(
    SCENARIO,
    '--scheduler',
    'weighted',
    '--seeds',
    '1',
    '--link',
    'bid2.delay=20ms,40ms',
    '--link',
    'bid1.rate=5mbit/40mbit',
    '--json',
  );
  expect(code).toBe(0);
  const { results, rankings } = JSON.parse(stdout) as {
    results: CompareResult[];
    rankings: { scenario: string }[];
  };
  const names = ['20ms', '40ms'].map((delay) => `small bid2.delay=${delay} bid1.rate=5mbit/40mbit`);
  expect(results.map(({ scenario }) => scenario)).toEqual(names);
  expect(rankings.map(({ scenario }) => scenario)).toEqual(names);
  const least = results.map(({ metrics }) => metrics.delay.max);
  expect(least[1]! - least[0]!).toBeGreaterThan(15);
  expect(results[0]!.digests.scenario).not.toBe(results[1]!.digests.scenario);
});

it('a scheduler of your own that traps is named, picks out of range are told', async () => {
  const pick = (name: string, body: string): string => {
    const head = 'export function pick(group: usize, length: u32, flow: u64, now: u64): u32';
    writeFileSync(file(name), `${head} { ${body} }\n`);
    return file(name);
  };
  const trap = pick('trap.ts', 'return <u32>(flow / (flow - flow));');
  const trapped = await tunloom(SCENARIO, '--scheduler', trap);
  expect(trapped).toMatchObject({ code: 2 });
  expect(trapped.stderr).toContain(`${trap}: pick ended the run (small, seed 1): divide by zero`);
  const { code, stderr } = await tunloom(
    SCENARIO,
    '--scheduler',
    pick('high.ts', 'return 2;'),
    '--seeds',
    '1',
  );
  expect(code).toBe(0);
  expect(stderr).toMatch(/^tunloom: high: \d+ picks named no path/);
});

it('a scheduler of your own that does not come back is stopped', async () => {
  const endless = file('endless.ts');
  const head = 'export function pick(group: usize, length: u32, flow: u64, now: u64): u32';
  writeFileSync(endless, `${head} { while (true) {} return 0; }\n`);
  const options = {
    scenarios: [SCENARIO],
    schedulers: [endless],
    settings: [],
    oracle: false,
    duration: null,
  };
  const jobs = await planJobs({ ...options, seeds: 1 });
  await expect(tryOwnSchedulers(jobs, 3)).rejects.toThrow(`${endless}: pick has not come back for 3 s`);
});

it.each([
  [['nowhere'], 'there is no scenario "nowhere"'],
  [['./nowhere.yaml'], 'nowhere.yaml: there is no such file'],
  [['symmetric', '--scheduler', 'best'], 'there is no scheduler "best"; there are weighted'],
  [['symmetric', '--seeds', '0'], '--seeds 0: a whole number'],
  [['symmetric', '--set', 'windows=64'], '--set windows=64: expected NAME=N'],
  [
    ['symmetric', '--set', 'window=64,100'],
    '--set window=64,100: got 100, expected a power of two, 64..65536',
  ],
  [['symmetric', '--set', 'gapUs='], '--set gapUs=: got "", expected 0..10000000'],
  [['symmetric', '--set', 'minWaitUs=200000'], 'minWaitUs (200000) is more than maxWaitUs (100000)'],
  [['symmetric', '--link', 'first.speed=1'], '--link first.speed=1: expected PATH.KEY=VALUE'],
  [['symmetric', '--link', 'lte.delay=1ms'], 'symmetric has no path "lte"; there are '],
  [['symmetric', '--shard', '3/2'], '--shard 3/2: expected i/n'],
  [['symmetric', '--shard', '1/2'], '--shard needs --results'],
  [['symmetric', 'symmetric'], 'scenario "symmetric" with weighted would be run twice'],
  [['symmetric', '--scheduler', 'edpf', '--scheduler', 'edpf'], 'with edpf would be run twice'],
  [['symmetric', '--set', 'window=64', '--set', 'window=256'], '--set window=256: window is set already'],
  [['symmetric', '--scheduler', './weighted.ts'], `"weighted" is a scheduler of tunloom's`],
  [['--merge', '/nonexistent'], '/nonexistent: ENOENT'],
])('%j is refused', async (args, message) => {
  const { code, stderr } = await tunloom(...args);
  expect(code).toBe(2);
  expect(stderr).toContain(message);
});
