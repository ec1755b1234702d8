/**
 * `node bench/beside-signaling.ts [--seconds 0.5] [--rounds 40] [--updates 1000] [--json]` (root, after `npm run build:wasm`): the packet
 * rate of the data plane while 1,000 PBUs a second arrive, against the rate while none do.
 *
 *   generator of PBUs ---- [LMA] == wan0, wan1 == [MAG] ---- host
 *                          source of datagrams   -->         sink
 *
 * `tunloom lma` and `tunloom mag` are daemons in namespaces of their own; datagrams go downlink through one session over two GRE
 * paths, first as many as the source can send (all cores are busy then, and the generator of PBUs takes its share of them too), then at a
 * pace that leaves room. Three kinds of rounds alternate: no PBUs; PBUs that the LMA never sees, because frames to another station carry them, so
 * that what the generator takes is known; PBUs that it answers. Means count, and only of turns in which nothing else kept the machine busy.
 */
import { spawnSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
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
    seconds: { type: 'string', default: '0.5' },
    rounds: { type: 'string', default: '40' },
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
/** Before anything counts, the compilers see so many, at so many a second. */
const WARM_UP = { updates: 20_000, perSecond: 4000 };
/** Cores that other work may have during a round, over the round in which it had least: /proc/stat counts by samples. */
const OTHER_LOAD = 0.2;
/** What a round has PBUs for: none are sent, they get lost before the LMA, it answers them. */
const KINDS = ['idle', 'unheard', 'beside'] as const;
type Kind = (typeof KINDS)[number];
/** An address that frames to a station that is not there go to. */
const UNHEARD = '2001:db8:d::dead';
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
    /** What is none of these. */
    readonly other: number;
  };
}

const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

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

async function measure(perSecond: number | null, kind: Kind): Promise<Round> {
  const pids = [deployment.lmaDaemon!.child.pid!, deployment.magDaemon!.child.pid!, process.pid];
  const before = pids.map(threadSeconds);
  const busy = machineBusySeconds();
  const started = performance.now();
  const nothing = { sent: 0, accepted: 0 };
  const stop = kind === 'idle' ? () => nothing : load!.start(UPDATES, kind === 'beside' ? LMAA : UNHEARD);
  const { sent, received, seconds } = await traffic!.run({ perSecond, seconds: SECONDS });
  const { sent: updates, accepted } = stop();
  const machine = machineBusySeconds() - busy;
  const [ofLma, ofMag, ours] = pids.map((pid, i) => secondsSince(pid, before[i]!));
  const all = [ofLma, ofMag, ours].reduce((sum, of) => sum + of!.main + of!.others, 0);
  // With the time in which the last datagrams arrive.
  const wall = (performance.now() - started) / 1000;
  return {
    sent,
    received,
    perSecond: received / seconds,
    updates: updates / wall,
    accepted: accepted / wall,
    cpu: {
      machine: machine / wall,
      lmaControl: ofLma!.main / wall,
      lmaWorkers: ofLma!.others / wall,
      mag: (ofMag!.main + ofMag!.others) / wall,
      updateGenerator: ours!.main / wall,
      other: (machine - all) / wall,
    },
  };
}

interface Comparison {
  readonly load: string;
  /** Turns that count. */
  readonly turns: number;
  readonly perSecond: Readonly<Record<Kind, number>>;
  /** Packets a second beside PBUs, over those while there are none, and over those while they get lost before the LMA. */
  readonly ratio: number;
  readonly ratioToUnheard: number;
  /** Standard errors of both. */
  readonly uncertainty: readonly [number, number];
  readonly delivered: Readonly<Record<Kind, number>>;
  readonly controlMicrosecondsAnUpdate: number;
  readonly generatorMicrosecondsAnUpdate: number;
  readonly answered: number;
  readonly cpu: Readonly<Record<Kind, Round['cpu']>>;
}

type Turn = Readonly<Record<Kind, Round>>;

function kinds<T>(of: (kind: Kind) => T): Record<Kind, T> {
  return { idle: of('idle'), unheard: of('unheard'), beside: of('beside') };
}

/** The ratio of means, and the standard error that it has because turns differ. */
function ratioOf(turns: readonly Turn[], to: Kind): [ratio: number, error: number] {
  const ratio =
    mean(turns.map(({ beside }) => beside.perSecond)) / mean(turns.map((turn) => turn[to].perSecond));
  const scale = mean(turns.map((turn) => turn[to].perSecond));
  const residues = turns.map((turn) => (turn.beside.perSecond - ratio * turn[to].perSecond) / scale);
  return [ratio, Math.sqrt(mean(residues.map((residue) => residue ** 2)) / Math.max(1, turns.length - 1))];
}

async function compare(load: string, perSecond: number | null): Promise<Comparison> {
  const all: Turn[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    // The order changes as well: what grows over time falls upon all.
    const order = KINDS.map((_, i) => KINDS[(i + round) % KINDS.length]!);
    const turn: Partial<Record<Kind, Round>> = {};
    for (const kind of order) turn[kind] = await measure(perSecond, kind);
    all.push(turn as Turn);
  }
  const least = Math.min(...all.flatMap((turn) => KINDS.map((kind) => turn[kind].cpu.other)));
  const turns = all.filter((turn) => KINDS.every((kind) => turn[kind].cpu.other - least < OTHER_LOAD));
  if (!turns.length) throw new Error('other work keeps the machine busy');
  const of = (kind: Kind, pick: (round: Round) => number): number =>
    mean(turns.map((turn) => pick(turn[kind])));
  const cpu = kinds((kind) => ({
    machine: of(kind, (round) => round.cpu.machine),
    lmaControl: of(kind, (round) => round.cpu.lmaControl),
    lmaWorkers: of(kind, (round) => round.cpu.lmaWorkers),
    mag: of(kind, (round) => round.cpu.mag),
    updateGenerator: of(kind, (round) => round.cpu.updateGenerator),
    other: of(kind, (round) => round.cpu.other),
  }));
  const updates = of('beside', (round) => round.updates);
  const extra = (pick: (of: Round['cpu']) => number): number =>
    ((pick(cpu.beside) - pick(cpu.idle)) / updates) * 1e6;
  const [ratio, ratioError] = ratioOf(turns, 'idle');
  const [ratioToUnheard, unheardError] = ratioOf(turns, 'unheard');
  return {
    load,
    turns: turns.length,
    perSecond: kinds((kind) => of(kind, (round) => round.perSecond)),
    ratio,
    ratioToUnheard,
    uncertainty: [ratioError, unheardError],
    delivered: kinds((kind) => of(kind, ({ sent, received }) => received / sent)),
    controlMicrosecondsAnUpdate: extra(({ lmaControl }) => lmaControl),
    generatorMicrosecondsAnUpdate: extra(({ updateGenerator }) => updateGenerator),
    answered: of('beside', (round) => round.accepted) / updates,
    cpu,
  };
}

function print(results: readonly Comparison[]): void {
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  const title: Record<Kind, string> = {
    idle: 'no PBUs',
    unheard: `${UPDATES} PBUs/s that the LMA does not see`,
    beside: `${UPDATES} PBUs/s`,
  };
  for (const it of results) {
    process.stdout.write(
      `${it.load}: ratio ${it.ratio.toFixed(3)} +- ${it.uncertainty[0].toFixed(3)}, without the generator's part ` +
        `${it.ratioToUnheard.toFixed(3)} +- ${it.uncertainty[1].toFixed(3)} (${it.turns} turns of ${ROUNDS})\n` +
        `  PBUs accepted: ${percent(it.answered)}; a PBU takes ${Math.round(it.controlMicrosecondsAnUpdate)} us of the control thread, ` +
        `${Math.round(it.generatorMicrosecondsAnUpdate)} us of its generator\n`,
    );
    for (const kind of KINDS) {
      const { machine, lmaControl, lmaWorkers, mag, updateGenerator, other } = it.cpu[kind];
      process.stdout.write(
        `  ${title[kind]}: ${Math.round(it.perSecond[kind])} packets/s, delivered ${percent(it.delivered[kind])}; cores: machine ` +
          `${machine.toFixed(2)}, LMA's control thread ${lmaControl.toFixed(3)}, its workers ${lmaWorkers.toFixed(2)}, MAG ${mag.toFixed(2)}, ` +
          `generator of PBUs ${updateGenerator.toFixed(3)}, other ${other.toFixed(2)}\n`,
      );
    }
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
  const stop = load.start(WARM_UP.perSecond, LMAA);
  await pause((WARM_UP.updates / WARM_UP.perSecond) * 1000);
  stop();
  await measure(null, 'beside');
  const flood = await compare('flood', null);
  const paced = await compare(`paced at ${PACE} of that`, Math.round(flood.perSecond.idle * PACE));
  if (values.json) process.stdout.write(`${JSON.stringify([flood, paced], null, 2)}\n`);
  else print([flood, paced]);
} finally {
  abort.abort();
  await traffic?.stop();
  load?.close();
  await deployment.stop();
  spawnSync('ip', ['netns', 'delete', namespace]);
}
