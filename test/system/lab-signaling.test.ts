/** `tunloom lab` as a user runs it: a real MAG and a real LMA, a host that configures itself, figure 2 of RFC 8278. Needs root. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, describe, expect, test } from 'vitest';
import type { LabResult } from '../../src/lab/report.ts';
import { WITHOUT_IPERF3 } from '../support/without-iperf3.ts';

const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname;

const processes: number[] = [];

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const child = spawnSync(process.execPath, [MAIN, 'lab', '--duration', '0.5', ...args], {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, COLUMNS: '100', PATH: WITHOUT_IPERF3 },
  });
  processes.push(child.pid);
  return child;
}

function lab(...args: string[]): LabResult {
  const { status, stdout, stderr } = run('--json', ...args);
  if (!stdout) throw new Error(`lab ${args.join(' ')} printed nothing: ${stderr}`);
  const result = JSON.parse(stdout) as LabResult;
  expect(result.problems).toEqual([]);
  expect(status).toBe(0);
  return result;
}

afterAll(() => {
  const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' });
  const left = stdout.split('\n').filter((line) => processes.some((pid) => line.includes(`-${pid}`)));
  expect(left).toEqual([]);
});

test('figure 2: the order of messages, weights from the signaling, both ends agree', () => {
  const result = lab('--weights', '3:2');
  const { signaling, sessions } = result;
  expect(signaling[0]).toMatchObject({ from: 'mn', to: 'mag', message: 'RS' });
  for (const [i, line] of signaling.entries()) {
    expect(line.time).toBeGreaterThanOrEqual(i ? signaling[i - 1]!.time : 0);
  }
  const place = (message: string, bid: number | null): number => {
    const at = signaling.findIndex((line) => line.message === message && (bid === null || line.bid === bid));
    expect(at, `${message} of BID ${bid}`).toBeGreaterThanOrEqual(0);
    return at;
  };
  // RFC 8278 figure 2, steps 3 to 8; the host then configures itself.
  const order = [
    place('RS', null),
    place('PBU', 1),
    place('PBA', 1),
    place('TUNNEL', 1),
    place('PBU', 2),
    place('PBA', 2),
    place('TUNNEL', 2),
  ];
  expect(order).toEqual([...order].sort((a, b) => a - b));
  expect(place('RA', null)).toBeGreaterThan(place('PBA', 1));
  const dhcp = ['DHCPDISCOVER', 'DHCPOFFER', 'DHCPREQUEST', 'DHCPACK'].map((name) => place(name, null));
  expect(dhcp).toEqual([...dhcp].sort((a, b) => a - b));
  expect(signaling.filter(({ message }) => message === 'PBA').every(({ status }) => status === 0)).toBe(true);

  expect(sessions.map(({ end }) => end)).toEqual(['mag', 'lma']);
  const [mag, lma] = sessions;
  expect(mag!.node).toBe('mn1@example.org');
  expect([...mag!.prefixes].sort()).toEqual([...lma!.prefixes].sort());
  expect(mag!.prefixes.some((prefix) => /^2001:db8:cafe:.*\/64$/.test(prefix))).toBe(true);
  expect(mag!.prefixes.some((prefix) => /^192\.0\.2\.\d+\/32$/.test(prefix))).toBe(true);
  for (const session of sessions) expect(session.paths.map(({ weight }) => weight)).toEqual([3, 2]);
  expect(mag!.paths.map(({ local, remote }) => [remote, local])).toEqual(
    lma!.paths.map(({ local, remote }) => [local, remote]),
  );
  expect(result.paths[0]!.share).toBeCloseTo(0.6, 2);
  expect(result.paths.map(({ encapsulation }) => encapsulation)).toEqual(['udp-gre', 'udp-gre']);
});

describe('what the signaling negotiates', () => {
  test.each([
    ['gre', '4'],
    ['ipip', '4'],
    ['udp', '4'],
    ['gre', '6'],
    ['ipip', '6'],
  ])('%s over IPv%s', (encapsulation, family) => {
    const result = lab('--encapsulation', encapsulation, '--family', family);
    expect(result.paths.map((path) => path.encapsulation)).toEqual([encapsulation, encapsulation]);
    expect(result.sessions[1]!.paths.every((path) => path.encapsulation === encapsulation)).toBe(true);
  });

  test('one path, and four of both families', () => {
    expect(lab('--weights', '1').paths).toHaveLength(1);
    const paths = ['lte,weight=4', 'wlan,weight=2,family=6', 'dsl,weight=1', 'sat,weight=1,family=6'];
    const result = lab(...paths.flatMap((path) => ['--path', path]));
    expect(result.paths.map(({ name, encapsulation }) => `${name} ${encapsulation}`)).toEqual([
      'lte udp-gre',
      'wlan gre',
      'dsl udp-gre',
      'sat gre',
    ]);
  });

  test('two workers an end, without offloads', () => {
    expect(lab('--workers', '2', '--no-offload').workers).toBe(2);
  });
});

test('what a person sees: the picture, the ladder, the report, in 100 columns', () => {
  const { status, stdout } = run();
  expect(status).toBe(0);
  const lines = stdout.split('\n');
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
  expect(stdout).toContain(
    'A mobile node is switched on behind a MAG with 2 WAN interfaces (RFC 8278, figure 2).',
  );
  const at = (pattern: RegExp): number => {
    const found = lines.findIndex((line) => pattern.test(line));
    expect(found, String(pattern)).toBeGreaterThanOrEqual(0);
    return found;
  };
  const order = [
    at(/mobile node +MAG +LMA$/),
    at(/│─ RS /),
    at(/│─ PBU BID 1 wan1: HNP \?, HoA \?/),
    at(/│◀ PBA BID 1 wan1: HNP 2001:db8:cafe:\S*\/64, HoA 192\.0\.2\./),
    at(/╞═+ tunnel wan1: udp-gre, BID 1 ═+╡/),
    at(/The node has 2001:db8:cafe:/),
    at(/^path +encapsulation/),
    at(/^Everything arrived intact/),
  ];
  expect(order).toEqual([...order].sort((a, b) => a - b));
});

test('a reader that has seen enough leaves nothing behind', () => {
  const script = `"$0" "$1" lab --duration 0.5 & echo "$!" >&2; wait`;
  const { stderr } = spawnSync('bash', ['-c', `(${script}) | head -n 8 >/dev/null`, process.execPath, MAIN], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  processes.push(Number(/^\d+/.exec(stderr)![0]));
});

test.each([200, 900, 2500])('Ctrl-C after %i ms leaves nothing behind', async (milliseconds) => {
  const child = spawn(process.execPath, [MAIN, 'lab'], { stdio: ['ignore', 'ignore', 'pipe'] });
  processes.push(child.pid!);
  const ended = once(child, 'exit');
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  child.kill('SIGINT');
  await ended;
});

describe('what needs --static says so', () => {
  test.each([
    [['--encapsulation', 'gre-in-udp'], /cannot negotiate gre-in-udp over IPv4.*--static/],
    [['--encapsulation', 'udp-gre', '--family', '6'], /cannot negotiate udp-gre over IPv6.*--static/],
    [
      ['--path', 'a,encapsulation=gre', '--path', 'b,encapsulation=ipip'],
      /with and without GRE keys.*--static/,
    ],
  ])('%s', (args, message) => {
    const { status, stderr } = run(...args);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
  });
});
