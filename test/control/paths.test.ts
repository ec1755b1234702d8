/** Measured paths over the control socket: on demand by `tunloom paths --probe`, and as metrics. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { formatMetrics } from '../../src/control/metrics.ts';
import type { PathControl } from '../../src/control/path-routes.ts';
import { buildControlServer, listenControl } from '../../src/control/server.ts';
import type { HealthConfig } from '../../src/paths/path-health.ts';
import type { PathHealthStatus } from '../../src/dataplane/status.ts';
import type { Adaptation } from '../../src/paths/adaptive-weights.ts';
import { HEALTH_DEFAULTS } from '../../src/paths/path-health.ts';
import { BenchNode } from '../support/bench-node.ts';
import { controlOf } from '../support/control.ts';
import { testSession } from '../support/session.ts';

const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname;

const idle = { queueUs: 0, jitterUs: 0, loss: null, rate: 0, capacity: null, full: false };

function health(bid: number, probesAnswered: number): PathHealthStatus {
  return {
    session: 'mn1',
    bid,
    state: bid === 1 ? 'up' : 'down',
    reason: '',
    rttUs: bid === 1 ? 20_500 : null,
    minRttUs: null,
    delayBehindUs: 0,
    probesSent: probesAnswered + 2,
    probesAnswered,
    unconfirmedPackets: 7 * (bid - 1),
    stateChanges: bid,
    weight: 2 - bid,
    sending: { ...idle, loss: 0.25, rate: 8e6, capacity: 9e6, queueUs: 1500 },
    receiving: { ...idle, jitterUs: 300 },
    adaptive: null,
  };
}

/** Path 1 answers a while after it was asked, path 2 never. */
class FakeWatch implements PathControl {
  asked = 0;
  answered = 3;
  paths = (): PathHealthStatus[] => [health(1, this.answered), health(2, 0)];
  isAdaptive = (): boolean => false;
  setAdaptive = (_: string, _on: boolean, how?: Adaptation): void => {
    if (how) this.how = how;
  };
  how: Adaptation = {};
  adaptation = (): Adaptation => this.how;
  probing = (): HealthConfig => ({ ...HEALTH_DEFAULTS, ...this.word });
  setProbing = (_: string, probing: Partial<HealthConfig>): void => {
    this.word = probing;
  };
  word: Partial<HealthConfig> = {};
  probeNow = (): void => {
    this.asked++;
    setTimeout(() => this.answered++, 200);
  };
}

function serverOf(paths: PathControl | null) {
  const node = new BenchNode('mag').add(testSession());
  const reload = (): Promise<object> => Promise.reject(new Error('not here'));
  return buildControlServer({ control: controlOf(node), changed: () => {}, reload, paths });
}

test('`tunloom paths --probe` asks all paths and shows what they answered', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tunloom-'));
  const socket = join(folder, 'control.sock');
  const watch = new FakeWatch();
  const server = serverOf(watch);
  try {
    await listenControl(server, socket);
    const { stdout } = await promisify(execFile)(process.execPath, [
      MAIN,
      '--socket',
      socket,
      'paths',
      '--probe',
      '--json',
    ]);
    expect(watch.asked).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject([
      { bid: 1, probesAnswered: 4 },
      { bid: 2, probesAnswered: 0 },
    ]);
    const paths = [MAIN, '--socket', socket, 'paths', 'mn1'];
    const table = await promisify(execFile)(process.execPath, paths);
    expect(table.stdout).toMatch(/^mn1 +2 +down /m);
    expect(table.stdout).toMatch(/^mn1 BID 2 is down: /m);
    for (const line of table.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
    const wide = await promisify(execFile)(process.execPath, [...paths, '--wide']);
    expect(wide.stdout).toMatch(/^mn1 +2 +down .* 7$/m);
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
});

test('how paths are probed is said live, in the words of the file; what is wrong changes nothing', async () => {
  const watch = new FakeWatch();
  const server = serverOf(watch);
  const put = (payload: object) => server.inject({ method: 'PUT', url: '/v1/sessions/mn1/probes', payload });
  const answer = await put({ interval: '50ms', silent: 2, loss: '10%', ease: '0s' });
  expect(answer.json()).toEqual({
    ...HEALTH_DEFAULTS,
    intervalUs: 50_000,
    silent: 2,
    lossLimit: 0.1,
    easeUs: 0,
  });
  const wrong = await put({ interval: '1ms', quiet: 3, easeFrom: '0%' });
  expect(wrong.statusCode).toBe(400);
  expect(wrong.json().error).toMatchObject({ code: 'BAD_PROBES' });
  for (const key of ['interval', 'quiet', 'easeFrom']) expect(wrong.json().error.message).toContain(key);
  expect(watch.word).toMatchObject({ silent: 2 });
  expect((await server.inject({ url: '/v1/sessions/mn1/probes' })).json()).toMatchObject({ silent: 2 });
  await put({});
  expect((await server.inject({ url: '/v1/sessions/mn1/probes' })).json()).toEqual(HEALTH_DEFAULTS);
});

test('how far and how fast weights adapt is said live as well', async () => {
  const watch = new FakeWatch();
  const server = serverOf(watch);
  const put = (payload: object) =>
    server.inject({ method: 'PUT', url: '/v1/sessions/mn1/adaptive', payload });
  const answer = await put({
    adaptive: true,
    adaptation: { floor: '5%', guard: { margin: '0%', retry: '1min' } },
  });
  expect(answer.json().adaptation).toEqual({ floor: 0.05, guard: { margin: 0, retryUs: 60e6 } });
  await put({ adaptive: true });
  expect(watch.how).toMatchObject({ floor: 0.05 });
  const wrong = await put({ adaptive: true, adaptation: { floor: 5, roof: '90%' } });
  expect(wrong.json().error).toMatchObject({
    code: 'BAD_ADAPTATION',
    message: expect.stringMatching(/floor/),
  });
  expect(wrong.json().error.message).toContain('roof');
  expect(watch.how).toMatchObject({ floor: 0.05 });
});

test('metrics of path health: units of Prometheus, no sample for what is not known', async () => {
  const metrics = await serverOf(new FakeWatch()).inject({ url: '/metrics' });
  const lines = metrics.body.split('\n');
  for (const line of [
    'tunloom_path_state{session="mn1",bid="1",state="up"} 1',
    'tunloom_path_state{session="mn1",bid="1",state="down"} 0',
    'tunloom_path_state{session="mn1",bid="2",state="down"} 1',
    'tunloom_path_state_changes_total{session="mn1",bid="2"} 2',
    'tunloom_path_weight{session="mn1",bid="1"} 1',
    'tunloom_path_weight{session="mn1",bid="2"} 0',
    'tunloom_path_round_trip_seconds{session="mn1",bid="1"} 0.0205',
    'tunloom_path_delay_behind_seconds{session="mn1",bid="1"} 0',
    'tunloom_path_queue_seconds{session="mn1",bid="1",direction="sending"} 0.0015',
    'tunloom_path_jitter_seconds{session="mn1",bid="1",direction="receiving"} 0.0003',
    'tunloom_path_loss_ratio{session="mn1",bid="1",direction="sending"} 0.25',
    'tunloom_path_rate_bits_per_second{session="mn1",bid="1",direction="sending"} 8000000',
    'tunloom_path_capacity_bits_per_second{session="mn1",bid="1",direction="sending"} 9000000',
    'tunloom_path_probes_sent_total{session="mn1",bid="1"} 5',
    'tunloom_path_probes_answered_total{session="mn1",bid="1"} 3',
    'tunloom_path_unconfirmed_packets_total{session="mn1",bid="2"} 7',
    'tunloom_resequencer_wait_seconds{session="mn1",bound="least"} 0.001',
    'tunloom_resequencer_wait_seconds{session="mn1",bound="most"} 0.1',
  ]) {
    expect(lines).toContain(line);
  }
  expect(metrics.body).not.toMatch(/round_trip_seconds\{session="mn1",bid="2"/);
  expect(metrics.body).not.toMatch(/(loss|capacity).*direction="receiving"/);
  expect(metrics.body).not.toMatch(/NaN|null|undefined/);
  // The text format: every line is a comment or a sample, every metric has its type once, before its samples.
  const typed = new Set<string>();
  for (const line of lines.filter(Boolean)) {
    const type = /^# TYPE (\w+) (gauge|counter)$/.exec(line);
    if (type) {
      expect(typed.has(type[1]!)).toBe(false);
      typed.add(type[1]!);
    } else if (!line.startsWith('# HELP ')) {
      expect(line).toMatch(/^\w+(\{(\w+="[^"\\]*",?)+\})? -?\d+(\.\d+)?(e-?\d+)?$/);
      expect(typed).toContain(/^\w+/.exec(line)![0]);
    }
  }
});

test('an instance without probes has none of these metrics', () => {
  const control = controlOf(new BenchNode('mag').add(testSession()));
  expect(formatMetrics(control.status(), control.sessions())).not.toContain('tunloom_path_state');
});
