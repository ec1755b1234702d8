/** The system bench without traffic: its options, its plan, its sweep, its sums and what it writes. */
import { describe, expect, test } from 'vitest';
import { busySeconds } from '../../bench/system/cpu-time.ts';
import { replaceSections } from '../../bench/system/marked-section.ts';
import { parseOptions } from '../../bench/system/options.ts';
import { type Profile, readNames, readStacks } from '../../bench/system/profile.ts';
import { groupOf, stageOf } from '../../bench/system/profile-groups.ts';
import { formatMarkdown, formatTerminal } from '../../bench/system/report.ts';
import { Collection } from '../../bench/system/results.ts';
import { BARE, PEERS, planScenarios, tunloomName } from '../../bench/system/scenario.ts';
import { drawChart } from '../../bench/system/svg.ts';
import { readCounts } from '../../bench/system/system-calls.ts';
import { wrongChecksums } from '../../bench/system/udp-load.ts';
import { sweep } from '../../bench/system/udp-sweep.ts';

const TWO = tunloomName('udp-gre', 4, [1, 1]);

describe('options', () => {
  test('parts, peers and numbers', () => {
    const options = parseOptions(['--only', 'udp,tcp1', '--peers', 'none', '--paths', '2,8', '--runs', '5']);
    expect(options.only).toEqual(['tcp1', 'udp64', 'udp1400']);
    expect(options.peers).toEqual([]);
    expect(options.paths).toEqual([2, 8]);
    expect(options.runs).toBe(5);
    expect(parseOptions([]).peers).toBeNull();
  });

  test.each([
    ['--only', 'icmp'],
    ['--paths', '0'],
    ['--encapsulation', 'vxlan'],
    ['--family', '5'],
  ])('%s %s is refused', (...args) => {
    expect(() => parseOptions(args)).toThrow();
  });
});

describe('plan', () => {
  test('everything once; absent peers are named', () => {
    const { scenarios, absent } = planScenarios(parseOptions([]), ({ name }) =>
      name === 'vtun' ? '3' : null,
    );
    const names = scenarios.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    // 2 of bare veth, 3 encapsulations over 2 families with 3 numbers of paths, 3:2, vtun.
    expect(names).toHaveLength(2 + 18 + 1 + 1);
    expect(absent).toHaveLength(PEERS.length - 1);
    expect(scenarios.find(({ name }) => name === TWO)?.links).toHaveLength(2);
  });
});

test('a stack belongs to the innermost frame that says something', () => {
  const script =
    '  ffffffff81 _raw_spin_unlock_irqrestore ([kernel.kallsyms])\n  ffffffff82 try_to_wake_up ([kernel.kallsyms])\n\n' +
    '  7f00 wasm-function[2]-2-turbofan (/tmp/perf-1.map)\n\n  ffffffff83 _copy_to_iter ([kernel.kallsyms])\n' +
    '  ffffffff84 tun_do_read ([kernel.kallsyms])\n';
  expect(readStacks(script).map(groupOf)).toEqual([
    'kernel: wake-ups, switches',
    'WebAssembly',
    'kernel: copies',
  ]);
  expect(readStacks(script).map(stageOf)).toEqual([
    'other in the kernel',
    'our code',
    'TUN to us: read, readv',
  ]);
  // Section of functions: one name, number 2, "abc".
  expect(readNames(Uint8Array.of(1, 6, 1, 2, 3, 97, 98, 99)).get(2)).toBe('abc');
});

describe('sweep', () => {
  test.each([20_000, 75_000, 400_000])('finds a limit of %i from afar', async (limit) => {
    const trial = async (rate: number) => ({ sent: rate, received: Math.min(rate, limit), seconds: 1 });
    const { perSecond, generatorLimit } = await sweep(60_000, trial);
    expect(perSecond).toBeGreaterThan(limit * 0.95);
    expect(perSecond).toBeLessThanOrEqual(limit * 1.011);
    expect(generatorLimit).toBe(false);
  });

  test('says when the generator is the limit, and 0 for a dead tunnel', async () => {
    const slow = async (rate: number) => {
      const sent = Math.min(rate, 90_000);
      return { sent, received: sent, seconds: 1 };
    };
    expect(await sweep(80_000, slow)).toEqual({ perSecond: 90_000, generatorLimit: true });
    expect(await sweep(80_000, async (sent) => ({ sent, received: 0, seconds: 1 }))).toEqual({
      perSecond: 0,
      generatorLimit: false,
    });
  });
});

test('counters of the kernel', () => {
  expect(readCounts('120,,syscalls:sys_enter_poll,5,100.00,,\n0,,context-switches,5,100.00,,\n')).toEqual({
    poll: 120,
  });
  const snmp =
    'Tcp: A B\nTcp: 1 2\nUdp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors\n' +
    'Udp: 100 7 50 3 20 0 5\n';
  expect(wrongChecksums(snmp)).toBe(5);
  expect(busySeconds('cpu  100 0 200 5000 300 10 90 77 0 0\ncpu0 1 2\n')).toBe(4);
});

test('medians, ratios, targets, and all three outputs', () => {
  const { scenarios } = planScenarios(
    parseOptions(['--paths', '2', '--encapsulation', 'udp-gre']),
    ({ name }) => (name === 'MLVPN' ? '2.3' : null),
  );
  const collection = new Collection();
  for (const tcp1 of [10_000, 12_000, 14_000])
    collection.add(BARE, { values: { tcp1, pingIdle: 20 }, notes: [] });
  for (const tcp1 of [6000, 4000, 9000]) {
    collection.add(TWO, { values: { tcp1, pingIdle: 70 }, notes: ['a <note>'] });
  }
  collection.fail('MLVPN', 'no device');
  const result = collection.result(scenarios, ['fastd'], { runs: 3, seconds: 2 });
  const two = result.scenarios.find(({ name }) => name === TWO)!;
  expect(two.figures.tcp1).toMatchObject({ median: 6000, least: 4000, most: 9000, toBare: 0.5 });
  expect(two.figures.pingIdle?.toBare).toBe(50);
  expect(result.targets[0]).toMatchObject({ value: 0.5, met: true });
  expect(result.targets.find(({ what }) => what.startsWith('ping idle'))).toMatchObject({
    value: 50,
    met: true,
  });
  expect(result.targets.find(({ what }) => what.includes('MLVPN'))).toMatchObject({ value: null, met: null });

  const terminal = formatTerminal(result);
  const sections = formatMarkdown(result, 'chart.svg');
  const markdown = sections.get('measurements')!;
  expect(markdown).toMatch(/^!\[.*\]\(chart\.svg\)\n/);
  for (const text of [terminal, markdown]) {
    expect(text).toContain('6000 (0.50)');
    expect(text).toContain('70 (+50)');
    expect(text).toContain('MLVPN failed: no device');
    expect(text).toContain('Not installed: fastd');
  }
  const document = 'before\n\n<!-- bench:system measurements -->\n\nold\n\n<!-- end -->\n\nafter\n';
  expect(replaceSections(document, sections)).toBe(document.replace('old', markdown.trim()));
  expect(replaceSections('no section', sections)).toBe(`${markdown}\n`);
  const chart = drawChart(result);
  expect(chart.startsWith('<svg ')).toBe(true);
  expect(chart).toContain('6000 Mbit/s (0.50)');
});

test('profiles are tables: a column for each scenario, functions of all of them by their largest share', () => {
  const { scenarios } = planScenarios(
    parseOptions(['--paths', '2', '--encapsulation', 'udp-gre']),
    () => null,
  );
  const result = new Collection().result(scenarios, [], { runs: 0, seconds: 1 });
  const profile = (
    scenario: string,
    functions: readonly { symbol: string; nanoseconds: number }[],
    systemCalls: Readonly<Record<string, number>>,
  ): Profile => ({
    ...{ scenario, load: 'UDP', packetsPerSecond: 10, nanosecondsPerPacket: 300, groups: {}, stages: {} },
    ...{ functions, systemCalls },
  });
  const markdown = formatMarkdown(
    {
      ...result,
      profiles: [
        profile('tunloom A', [{ symbol: '_first_', nanoseconds: 90 }], { poll: 0.25 }),
        profile('tunloom B', [{ symbol: '_second_', nanoseconds: 100 }], {}),
      ],
    },
    null,
  ).get('profile')!;
  expect(markdown).toContain(
    '|  | A | B |\n| --- | ---: | ---: |\n| packets a second | 10 | 10 |\n| all | 300 | 300 |\n',
  );
  expect(markdown).toContain('| poll | 0.250 | - |');
  expect(markdown).toContain('| `_second_` | - | 100 |\n| `_first_` | 90 | - |');
});
