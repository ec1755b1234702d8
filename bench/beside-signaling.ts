/**
 * `node bench/beside-signaling.ts [--seconds 3] [--rounds 5] [--updates 1000] [--json]` (root, after `npm run build:wasm`): the packet
 * rate of the data plane while 1,000 PBUs a second arrive, against the rate while none do.
 *
 *   generator of PBUs ---- [LMA] == wan0, wan1 == [MAG] ---- host
 *                          source of datagrams   -->         sink
 *
 * `tunloom lma` and `tunloom mag` are daemons in namespaces of their own; datagrams go downlink through one session over two GRE
 * paths, first as many as the source can send (all cores are busy then, and the generator of PBUs takes its share of them too), then at a
 * pace that leaves room. Rounds without and with PBUs alternate, and medians count.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { exchangeSysctl } from '../src/net/sysctl.ts';
import { CORRESPONDENT, Deployment, LMAA } from '../test/support/deployment.ts';
import { run, waitFor } from '../test/support/daemon.ts';
import { LoadGenerator } from '../test/support/load-generator.ts';
import { machineBusySeconds } from './system/cpu-time.ts';
import { secondsSince, threadSeconds } from './system/thread-time.ts';
import { UdpLoad } from './system/udp-load.ts';
import { UpdateLoad } from './update-load.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '5' },
    updates: { type: 'string', default: '1000' },
    json: { type: 'boolean', default: false },
  },
});
const SECONDS = Number(values.seconds);
const ROUNDS = Number(values.rounds);
const UPDATES = Number(values.updates);
/** Registered nodes that the PBUs are about, each with two bindings. */
const NODES = 1000;
const SIZE = 1000;
/** Of the rate that gets through a flood. */
const PACE = 0.5;
const GENERATOR_ADDRESSES = ['2001:db8:d::1', '2001:db8:d::2'];

interface Round {
  readonly sent: number;
  readonly received: number;
  readonly perSecond: number;
  readonly updates: number;
  readonly accepted: number;
  /** Seconds of CPU a second. */
  readonly cpu: {
    readonly machine: number;
    readonly lmaControl: number;
    readonly lmaWorkers: number;
    readonly mag: number;
    /** Its main thread; the source of datagrams is another one of this process. */
    readonly updateGenerator: number;
  };
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;

/** A namespace with the generator's addresses, next to the LMA's. */
function connectGenerator(namespace: string, lma: string): void {
  run('ip', 'netns', 'add', namespace);
  run('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
  run('ip', '-n', namespace, 'link', 'add', 'lma0', 'type', 'veth', 'peer', 'name', 'gen0', 'netns', lma);
  exchangeSysctl(namespace, 'ipv6/conf/lma0/accept_dad', '0');
  for (const address of GENERATOR_ADDRESSES) {
    run('ip', '-n', namespace, 'address', 'add', `${address}/64`, 'dev', 'lma0', 'nodad');
  }
  run('ip', '-n', lma, 'address', 'add', '2001:db8:d::ff/64', 'dev', 'gen0', 'nodad');
  run('ip', '-n', namespace, 'link', 'set', 'lma0', 'up');
  run('ip', '-n', lma, 'link', 'set', 'gen0', 'up');
  run('ip', '-n', namespace, 'route', 'add', `${LMAA}/128`, 'via', '2001:db8:d::ff', 'dev', 'lma0');
}

const deployment = new Deployment('bs');
const namespace = `tlbsg-${process.pid}`;
let load: UpdateLoad | undefined;
let traffic: UdpLoad | undefined;
const abort = new AbortController();

/** Registers all nodes; gives the PBUs that extend their bindings, by care-of address. */
async function register(): Promise<Map<string, Uint8Array[]>> {
  const generator = new LoadGenerator(namespace, GENERATOR_ADDRESSES, LMAA);
  try {
    const { statuses } = await generator.register(NODES, 64);
    if (statuses[0] !== GENERATOR_ADDRESSES.length * NODES) {
      throw new Error(`registrations of ${NODES} nodes: ${JSON.stringify(statuses)}`);
    }
    const updates = (bid: number) => Array.from({ length: NODES }, (_, node) => generator.update(node, bid));
    return new Map(GENERATOR_ADDRESSES.map((address, i) => [address, updates(i + 1)]));
  } finally {
    await generator.stop();
  }
}

async function measure(perSecond: number | null, updates: boolean): Promise<Round> {
  const lma = deployment.lmaDaemon!.child.pid!;
  const mag = deployment.magDaemon!.child.pid!;
  const before = [lma, mag, process.pid].map(threadSeconds);
  const busy = machineBusySeconds();
  const stop = updates ? load!.start(UPDATES) : () => ({ sent: 0, accepted: 0 });
  const { sent, received, seconds } = await traffic!.run({ perSecond, seconds: SECONDS });
  const { sent: sentUpdates, accepted } = stop();
  const machine = machineBusySeconds() - busy;
  const [ofLma, ofMag, ours] = [lma, mag, process.pid].map((pid, i) => secondsSince(pid, before[i]!));
  return {
    sent,
    received,
    perSecond: received / seconds,
    updates: sentUpdates / seconds,
    accepted,
    cpu: {
      machine: machine / seconds,
      lmaControl: ofLma!.main / seconds,
      lmaWorkers: ofLma!.others / seconds,
      mag: (ofMag!.main + ofMag!.others) / seconds,
      updateGenerator: ours!.main / seconds,
    },
  };
}

interface Comparison {
  readonly load: string;
  readonly idle: number;
  readonly beside: number;
  readonly ratio: number;
  readonly idleDelivered: number;
  readonly besideDelivered: number;
  readonly controlMicrosecondsAnUpdate: number;
  readonly generatorMicrosecondsAnUpdate: number;
  readonly answered: number;
  readonly cpuIdle: Round['cpu'];
  readonly cpuBeside: Round['cpu'];
}

async function compare(load: string, perSecond: number | null): Promise<Comparison> {
  const idle: Round[] = [];
  const beside: Round[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    // The order alternates as well: what grows over time falls upon both.
    for (const updates of round % 2 ? [true, false] : [false, true]) {
      (updates ? beside : idle).push(await measure(perSecond, updates));
    }
  }
  const of = (rounds: readonly Round[], pick: (round: Round) => number): number => median(rounds.map(pick));
  const cpu = (rounds: readonly Round[]): Round['cpu'] => ({
    machine: of(rounds, (round) => round.cpu.machine),
    lmaControl: of(rounds, (round) => round.cpu.lmaControl),
    lmaWorkers: of(rounds, (round) => round.cpu.lmaWorkers),
    mag: of(rounds, (round) => round.cpu.mag),
    updateGenerator: of(rounds, (round) => round.cpu.updateGenerator),
  });
  const [cpuIdle, cpuBeside] = [cpu(idle), cpu(beside)];
  const updates = of(beside, (round) => round.updates);
  const extra = (pick: (of: Round['cpu']) => number): number =>
    ((pick(cpuBeside) - pick(cpuIdle)) / updates) * 1e6;
  const delivered = ({ sent, received }: Round): number => received / sent;
  return {
    load,
    idle: of(idle, (round) => round.perSecond),
    beside: of(beside, (round) => round.perSecond),
    // Round by round: what else the machine does meanwhile changes slowly.
    ratio: median(beside.map(({ perSecond }, i) => perSecond / idle[i]!.perSecond)),
    idleDelivered: of(idle, delivered),
    besideDelivered: of(beside, delivered),
    controlMicrosecondsAnUpdate: extra(({ lmaControl }) => lmaControl),
    generatorMicrosecondsAnUpdate: extra(({ updateGenerator }) => updateGenerator),
    answered:
      beside.reduce((sum, { accepted }) => sum + accepted, 0) /
      beside.reduce((sum, { updates }) => sum + updates * SECONDS, 0),
    cpuIdle,
    cpuBeside,
  };
}

function print(results: readonly Comparison[]): void {
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  for (const it of results) {
    const cpu = ({ machine, lmaControl, lmaWorkers, mag, updateGenerator }: Round['cpu']): string =>
      `machine ${machine.toFixed(2)}, LMA's control thread ${lmaControl.toFixed(3)}, its workers ${lmaWorkers.toFixed(2)}, ` +
      `MAG ${mag.toFixed(2)}, generator of PBUs ${updateGenerator.toFixed(3)}`;
    process.stdout.write(
      `${it.load}: ${Math.round(it.idle)} packets/s idle, ${Math.round(it.beside)} beside ${UPDATES} PBUs/s: ratio ${it.ratio.toFixed(3)}\n` +
        `  delivered: ${percent(it.idleDelivered)} idle, ${percent(it.besideDelivered)} beside; PBUs accepted: ${percent(it.answered)}\n` +
        `  a PBU takes ${Math.round(it.controlMicrosecondsAnUpdate)} us of the control thread, ${Math.round(it.generatorMicrosecondsAnUpdate)} us of its generator\n` +
        `  cores, idle:   ${cpu(it.cpuIdle)}\n  cores, beside: ${cpu(it.cpuBeside)}\n`,
    );
  }
}

try {
  connectGenerator(namespace, deployment.lma);
  // Probes of 2,000 paths whose far end does not answer are another subject.
  await deployment.startLma(
    `probes: { enabled: false }\nregistration: { maxUpdatesPerSecond: 1000000, timestampWindow: 10s }`,
    '{ address: 2001:db8:a::/64 }, { address: 2001:db8:b::/64 }, { address: 2001:db8:d::/64 }',
    [LMAA],
    { sessions: 2048, paths: 8192 },
  );
  await deployment.startMag('probes: { enabled: false }');
  deployment.host.set(true);
  await deployment.pathsAre([1, 2]);
  const address = await deployment.address();
  await waitFor(() => deployment.pings(), 20_000);
  load = new UpdateLoad(namespace, LMAA, await register());
  const ends = {
    from: deployment.lma,
    to: deployment.host.namespace,
    source: CORRESPONDENT,
    destination: address,
  };
  traffic = await UdpLoad.start(ends, SIZE, abort.signal);
  // Warm-up: compilers, neighbours, caches.
  await measure(null, true);
  const flood = await compare('flood', null);
  const paced = await compare(`paced at ${PACE} of that`, Math.round(flood.idle * PACE));
  if (values.json) process.stdout.write(`${JSON.stringify([flood, paced], null, 2)}\n`);
  else print([flood, paced]);
} finally {
  abort.abort();
  await traffic?.stop();
  load?.close();
  await deployment.stop();
  spawnSync('ip', ['netns', 'delete', namespace]);
}
