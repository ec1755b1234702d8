/** `tunloom lab --static` as a user runs it: every encapsulation and family, numbers of paths, ratios, workers. Needs root. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { LabResult } from '../../src/lab/report.ts';
import { WITHOUT_IPERF3 } from '../support/without-iperf3.ts';

const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname;

interface Run {
  readonly status: number | null;
  readonly result: LabResult;
  readonly stderr: string;
}

function lab(...args: string[]): Run {
  return labWith({ ...process.env, PATH: WITHOUT_IPERF3 }, ...args);
}

function labWith(env: NodeJS.ProcessEnv, ...args: string[]): Run {
  const run = spawnSync(process.execPath, [MAIN, 'lab', '--static', '--json', '--duration', '0.5', ...args], {
    encoding: 'utf8',
    timeout: 120_000,
    env,
  });
  if (!run.stdout) throw new Error(`lab ${args.join(' ')} printed nothing: ${run.stderr}`);
  return { status: run.status, result: JSON.parse(run.stdout) as LabResult, stderr: run.stderr };
}

function expectSound({ status, result }: Run): void {
  expect(result.problems).toEqual([]);
  expect(status).toBe(0);
  expect(result.tcp.uplink.sha256Match).toBe(true);
  expect(result.tcp.downlink.sha256Match).toBe(true);
}

function leftovers(): string {
  return spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter((line) => line.startsWith('tlmag-') || line.startsWith('tllma-'))
    .join();
}

describe('every encapsulation over both families, 3:2', () => {
  for (const encapsulation of ['ipip', 'gre', 'udp', 'udp-gre', 'gre-in-udp']) {
    for (const family of ['4', '6']) {
      test(`${encapsulation} over IPv${family}`, () => {
        const run = lab('--encapsulation', encapsulation, '--family', family);
        expectSound(run);
        expect(run.result.mode).toBe('namespaces');
        const [first, second] = run.result.paths;
        expect(first!.share).toBeCloseTo(0.6, 2);
        expect(second!.share).toBeCloseTo(0.4, 2);
        if (encapsulation.includes('gre')) {
          for (const direction of ['uplink', 'downlink'] as const) {
            const { late } = run.result.resequencer[direction];
            expect(run.result.udp[direction].outOfOrder).toBeLessThanOrEqual(late);
          }
        }
      });
    }
  }
});

describe('paths and ratios', () => {
  test.each(['1', '1:1', '1:1:1', '1:1:1:1:1:1:1:1', '7:1', '100:1'])('weights %s', (weights) => {
    expectSound(lab('--weights', weights));
  });

  test('two workers an end', () => {
    for (const encapsulation of ['udp-gre', 'gre']) {
      const run = labWith(process.env, '--workers', '2', '--encapsulation', encapsulation);
      expectSound(run);
      expect(run.result.workers).toBe(2);
      expect(run.result.iperf3!.uplink).toBeGreaterThan(0);
    }
  });

  test('paths that differ in family and encapsulation', () => {
    expectSound(lab('--path', 'lte,weight=2,encapsulation=gre,family=6', '--path', 'wlan,weight=1,family=4'));
  });

  test('over a long way, what is still on it is not lost', () => {
    expectSound(lab('--path', 'a,delay=150ms', '--path', 'b,delay=150ms'));
  });

  test('with in-memory ports', () => {
    const run = lab('--memory');
    expectSound(run);
    expect(run.result.mode).toBe('memory');
    // Rings lose nothing and keep order, so a proof of loss would be wrong.
    expect(run.result.resequencer.uplink.lostProven + run.result.resequencer.downlink.lostProven).toBe(0);
    expect(run.stderr).toContain('IN-MEMORY PORTS');
  });

  test('with a scheduler of your own, in memory and in namespaces', { timeout: 240_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'tunloom-lab-'));
    const mine = join(folder, 'mine.ts');
    const head = 'export function pick(group: usize, length: u32, flow: u64, now: u64): u32';
    writeFileSync(mine, `${head} { return 1; }\n`);
    for (const how of ['--memory', '--static']) {
      const run = lab(how, '--scheduler', mine);
      expectSound(run);
      expect(run.result.paths.map(({ share }) => share)).toEqual([0, 1]);
    }
    rmSync(folder, { recursive: true });
  });

  test('links are not emulated in memory, and it says so', () => {
    const run = lab('--memory', '--path', 'lte,rate=10mbit', '--path', 'wlan');
    expectSound(run);
    expect(run.stderr).toContain('rate, delay and loss of lte are NOT emulated in memory');
  });
});

test('bad options are refused with status 2 and a sentence', () => {
  const run = spawnSync(process.execPath, [MAIN, 'lab', '--weights', '0:0'], { encoding: 'utf8' });
  expect(run.status).toBe(2);
  expect(run.stderr).toContain('all weights are 0');
  const custom = spawnSync(process.execPath, [MAIN, 'lab', '--static', '--scheduler', 'custom'], {
    encoding: 'utf8',
  });
  expect(custom.status).toBe(2);
  expect(custom.stderr).toContain('or a .ts file of your own');
  const half = spawnSync(process.execPath, [MAIN, 'lab', '--workers', '0.5'], { encoding: 'utf8' });
  expect(half.status).toBe(2);
  expect(half.stderr).toContain('--workers 0.5: a whole number from 1 to 16');
});

test('nothing is left behind', () => {
  expect(leftovers()).toBe('');
});
