/**
 * What paths, weights and failover come to on emulated links: TCP goodput as a part of the inner capacities, recovery after a silent death,
 * changes of state under steady load. Prints a table, or JSON with --json. Needs root and iperf3; `--only NAME` for some, `--runs N` (3).
 * Decides: whether adaptive weights and the guard may be switched on without making things worse (docs/probes.md).
 */
import { execFile } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { iperf3 } from '../src/lab/iperf3.ts';
import { median } from '../src/lab/measurement.ts';
import { NamespaceLab } from '../src/lab/namespace-lab.ts';
import { SESSION, planPaths } from '../src/lab/plan.ts';
import { exchangeSysctl } from '../src/net/sysctl.ts';
import { HEALTH_DEFAULTS } from '../src/paths/path-health.ts';

interface Scenario {
  readonly name: string;
  readonly paths: readonly string[];
  readonly weights: string;
  /** Bits a second of the links together, to which the goodput is compared. */
  readonly capacity: number;
  /** Percent. */
  readonly target: number;
  readonly streams?: number;
  readonly adaptive?: boolean;
  /** Seconds before the time that counts. */
  readonly warmUp?: number;
  readonly only?: string;
}

const SECONDS = 6;
/** udp-gre over IPv4 leaves 1456 octets; IPv6 and TCP with timestamps take 72 of them. The emulator counts IP octets. */
const EFFICIENCY = (1456 - 72) / 1500;

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'even-delay',
    paths: ['a,rate=100mbit,delay=10ms', 'b,rate=50mbit,delay=10ms'],
    weights: '2:1',
    capacity: 150e6,
    target: 93,
  },
  {
    name: 'uneven-delay',
    paths: ['a,rate=100mbit,delay=10ms', 'b,rate=50mbit,delay=50ms'],
    weights: '2:1',
    capacity: 150e6,
    target: 85,
  },
  {
    name: 'uneven-delay-loss',
    paths: ['a,rate=100mbit,delay=10ms', 'b,rate=50mbit,delay=50ms,loss=1%'],
    weights: '2:1',
    capacity: 150e6,
    target: 80,
    only: 'bbr',
  },
  {
    name: 'poor-path',
    paths: ['a,rate=100mbit,delay=10ms', 'b,rate=2mbit,delay=300ms,loss=5%'],
    weights: '1:1',
    capacity: 100e6,
    target: 95,
    adaptive: true,
    warmUp: 3,
  },
  {
    name: 'eight-streams',
    paths: ['a,rate=100mbit,delay=10ms', 'b,rate=50mbit,delay=10ms'],
    weights: '2:1',
    capacity: 150e6,
    target: 93,
    streams: 8,
  },
  {
    name: 'wrong-weights-100-50',
    paths: ['a,rate=100mbit,delay=10ms', 'b,rate=50mbit,delay=10ms'],
    weights: '1:1',
    capacity: 150e6,
    target: 88,
    adaptive: true,
    warmUp: 10,
  },
  {
    name: 'wrong-weights-100-20',
    paths: ['a,rate=100mbit,delay=10ms', 'b,rate=20mbit,delay=10ms'],
    weights: '1:1',
    capacity: 120e6,
    target: 88,
    adaptive: true,
    warmUp: 10,
  },
];

function start(paths: readonly string[], weights: string): Promise<NamespaceLab> {
  return NamespaceLab.start({
    paths: planPaths({ paths, weights, encapsulation: 'udp-gre', family: '4' }),
    duration: SECONDS,
    workers: 1,
    memory: false,
    static: true,
    health: HEALTH_DEFAULTS,
  });
}

async function goodput(scenario: Scenario, congestion: string): Promise<number> {
  const lab = await start(scenario.paths, scenario.weights);
  try {
    for (const end of [lab.topology.mag, lab.topology.lma]) {
      exchangeSysctl(end, 'ipv4/tcp_congestion_control', congestion);
    }
    lab.mag.pathWatch!.setAdaptive(SESSION, scenario.adaptive ?? false);
    await pause(1500);
    const { warmUp = 0, streams = 1 } = scenario;
    if (warmUp) await iperf3(lab.ends('uplink'), warmUp, streams);
    const result = await iperf3(lab.ends('uplink'), SECONDS, streams);
    return (result?.bitsPerSecond ?? 0) / (scenario.capacity * EFFICIENCY);
  } finally {
    await lab.stop();
  }
}

/** Echoes that were lost of 300, one every 20 ms; null without ping(8). */
function pingEvery20ms(namespace: string, host: string): Promise<number | null> {
  return new Promise((resolve) => {
    const args = ['netns', 'exec', namespace, 'ping', '-q', '-i', '0.02', '-c', '300', '-W', '1', host];
    execFile('ip', args, (_error, output) => {
      const found = /(\d+) packets transmitted, (\d+) received/.exec(output);
      resolve(found ? Number(found[1]) - Number(found[2]) : null);
    });
  });
}

/** A path dies silently: milliseconds until the rest carries 90 % of what it can, and echoes lost of one every 20 ms. */
async function silentDeath(): Promise<{
  backMs: number | null;
  lostMs: number | null;
  downMs: number | null;
}> {
  const lab = await start(['a,rate=50mbit,delay=10ms', 'b,rate=50mbit,delay=10ms'], '1:1');
  try {
    const delivered = (): number => lab.lma.dataplane.status().workers[0]!.tunTxPackets;
    const transfer = iperf3(lab.ends('uplink'), 8);
    const echoes = pingEvery20ms(lab.topology.mag, lab.ends('uplink').destination);
    await pause(3000);
    let downAt: number | null = null;
    lab.mag.dataplane.on('event', (event) => {
      if (event.event === 'pathState' && event.to === 'down') downAt ??= performance.now();
    });
    for (const direction of ['uplink', 'downlink'] as const) {
      const loss = { model: 'random', probability: 1 } as const;
      lab.topology.wan.emulator!.change(lab.topology.wan.linkOf(1), direction, { loss });
    }
    const died = performance.now();
    const wanted = (0.9 * 50e6) / 1500 / 8;
    let backMs: number | null = null;
    const window: { at: number; packets: number }[] = [];
    while (performance.now() - died < 3000) {
      const at = performance.now();
      window.push({ at, packets: delivered() });
      while (window.length > 1 && at - window[0]!.at > 200) window.shift();
      const [first] = window;
      const rate = ((delivered() - first!.packets) * 1000) / Math.max(1, at - first!.at);
      if (at - died > 300 && first!.at > died && rate >= wanted) {
        backMs = first!.at - died;
        break;
      }
      await pause(20);
    }
    await transfer;
    const lost = await echoes;
    return {
      backMs,
      lostMs: lost === null ? null : lost * 20,
      downMs: downAt === null ? null : downAt - died,
    };
  } finally {
    await lab.stop();
  }
}

/** Changes of state in 60 s from idle to full. */
async function flaps(): Promise<number> {
  const lab = await start(['a,rate=100mbit,delay=10ms', 'b,rate=50mbit,delay=10ms'], '2:1');
  try {
    await pause(1500);
    let changes = 0;
    for (const end of [lab.mag, lab.lma]) {
      end.dataplane.on('event', (event) => {
        if (event.event === 'pathState' && event.from !== 'unmeasured') changes++;
      });
    }
    await iperf3(lab.ends('uplink'), 60);
    return changes;
  } finally {
    await lab.stop();
  }
}

const option = (name: string): string | undefined => {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
};
const runs = Number(option('--runs') ?? 3);
const only = option('--only')?.split(',');
const wants = (name: string): boolean => !only || only.includes(name);
const results: Record<string, unknown>[] = [];
const note = (result: Record<string, unknown>): void => {
  results.push(result);
  if (!process.argv.includes('--json')) {
    process.stdout.write(
      `${Object.entries(result)
        .map(([key, value]) => `${key} ${String(value)}`)
        .join('  ')}\n`,
    );
  }
};

for (const scenario of SCENARIOS.filter(({ name }) => wants(name))) {
  for (const congestion of scenario.only ? [scenario.only] : ['cubic', 'bbr']) {
    const parts: number[] = [];
    for (let run = 0; run < runs; run++) parts.push(await goodput(scenario, congestion));
    const percent = (part: number): string => (part * 100).toFixed(1);
    note({
      scenario: scenario.name,
      congestion,
      median: percent(median(parts)),
      all: parts.map(percent).join('/'),
      target: scenario.target,
    });
  }
}
if (wants('silent-death')) {
  for (let run = 0; run < runs; run++) {
    const { backMs, lostMs, downMs } = await silentDeath();
    note({ scenario: 'silent-death', downMs: downMs?.toFixed(0), backMs: backMs?.toFixed(0), lostMs });
  }
}
if (wants('flaps')) note({ scenario: 'flaps', changes: await flaps(), target: 0 });
if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
