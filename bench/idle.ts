/**
 * `node bench/idle.ts [--paths 8] [--seconds 20] [--json]` (root, after `npm run build:wasm`): what tunloom costs while nothing is sent:
 * two `tunloom dataplane` daemons, a session over so many paths between them, probes as by default. CPU time is that of schedstat, the
 * control thread (which sends, answers and judges probes) apart from the workers and everything else of the process.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { callControl } from '../src/control/client.ts';
import type { PathHealthStatus } from '../src/dataplane/status.ts';
import { type LabPath, labSession } from '../src/lab/plan.ts';
import { LabTopology } from '../src/lab/topology.ts';
import { Daemon, waitFor } from '../test/support/daemon.ts';
import { secondsSince, threadSeconds } from './system/thread-time.ts';

const { values } = parseArgs({
  options: {
    paths: { type: 'string', default: '8' },
    seconds: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
  },
});
const SECONDS = Number(values.seconds);
/** Until compilers have seen everything and paths are judged. */
const WARM_UP_MS = 40_000;
const ENDS = ['mag', 'lma'] as const;

const paths = Array.from({ length: Number(values.paths) }, (_, i): LabPath => ({
  name: `wan${i + 1}`,
  weight: 1,
  encapsulation: 'udp-gre',
  family: 4,
  link: null,
}));

function configuration(role: (typeof ENDS)[number]): string {
  const { name, prefixes, sendKey, receiveKey, paths: specs } = labSession(role, paths);
  const session = {
    ...{ name, prefixes, sendKey, receiveKey },
    paths: specs.map(({ bid, local, remote, encapsulation }) => ({ bid, local, remote, encapsulation })),
  };
  return `role: ${role}\nworkers: 1\ntun: { name: tun0 }\nsessions: ${JSON.stringify([session])}\n`;
}

const folder = mkdtempSync(join(tmpdir(), 'tunloom-'));
const topology = new LabTopology(paths);
const daemons: Daemon[] = [];
try {
  await waitFor(() => topology.operational);
  for (const role of ENDS) {
    const [file, socket] = [join(folder, `${role}.yaml`), join(folder, `${role}.sock`)];
    daemons.push(await Daemon.start(topology[role], 'dataplane', file, configuration(role), socket));
  }
  await pause(WARM_UP_MS);
  const before = daemons.map(({ child }) => threadSeconds(child.pid!));
  await pause(SECONDS * 1000);
  const spent = daemons.map(({ child }, i) => secondsSince(child.pid!, before[i]!));
  // Paths that nobody answers on would cost less.
  for (const { socket } of daemons) {
    const watched = (await callControl(socket, 'GET', '/v1/paths')) as PathHealthStatus[];
    if (watched.length !== paths.length || watched.some(({ state }) => state !== 'up')) {
      throw new Error(`not all paths are up: ${JSON.stringify(watched)}`);
    }
  }
  const percent = (seconds: number): number => (seconds / SECONDS) * 100;
  const result = Object.fromEntries(
    ENDS.map((role, i) => [
      role,
      { controlPercent: percent(spent[i]!.main), workersPercent: percent(spent[i]!.others) },
    ]),
  );
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ paths: paths.length, ...result }, null, 2)}\n`);
  } else {
    for (const [role, { controlPercent, workersPercent }] of Object.entries(result)) {
      process.stdout.write(
        `${role}, ${paths.length} idle paths: control thread ${controlPercent.toFixed(2)} % of a core, ` +
          `workers and the rest ${workersPercent.toFixed(2)} %, together ${(controlPercent + workersPercent).toFixed(2)} %\n`,
      );
    }
  }
} finally {
  for (const daemon of daemons) await daemon.end();
  await topology.dispose();
  rmSync(folder, { recursive: true });
}
