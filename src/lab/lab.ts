/** Chooses how the lab can run on this machine, runs it, and cleans up whatever happens. */
import { tmpdir } from 'node:os';
import { accessSync, constants } from 'node:fs';
import { Deployment } from './deployment.ts';
import { checkNegotiable } from './lab-configuration.ts';
import { removeLeftovers } from './leftovers.ts';
import { MemoryLab } from './memory-lab.ts';
import { NamespaceLab } from './namespace-lab.ts';
import type { LabOptions } from './plan.ts';
import type { LabResult, SignalingLine } from './report.ts';
import { type ConfiguredHost, SignaledLab } from './signaled-lab.ts';
import { stopAllTraffic } from './traffic.ts';

export interface LabHooks {
  readonly keep: boolean;
  readonly progress: (step: string) => void;
  /** A line that the user has to see whatever the output format. */
  readonly announce: (line: string) => void;
  /** The lab on signaling begins; then come its messages, and what the node has made of them. */
  readonly begin: () => void;
  readonly message: (line: SignalingLine) => void;
  readonly configured: (host: ConfiguredHost) => void;
  readonly report: (result: LabResult) => void;
}

/** Runs the lab. Throws what setting up throws; nothing is left behind then either. */
export async function runLab(options: LabOptions, hooks: LabHooks): Promise<LabResult> {
  const reason = options.memory ? 'asked for by --memory' : whyNoNamespaces();
  if (reason !== null) {
    hooks.announce(
      `tunloom lab: IN-MEMORY PORTS (${reason}): real workers, tables and hot path, no kernel networking, no signaling`,
    );
    const emulated = options.paths.filter(({ link }) => link !== null).map(({ name }) => name);
    if (emulated.length) {
      hooks.announce(
        `tunloom lab: rate, delay and loss of ${emulated.join(', ')} are NOT emulated in memory; tunloom compare simulates links, without root too`,
      );
    }
    if (hooks.keep) hooks.announce('tunloom lab: --keep does nothing here: there is no namespace to enter');
  }
  // From here on a signal must not leave a namespace behind, so it waits until starting is done.
  const interrupted = new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  const lab = reason === null ? await startLab(options, hooks) : await MemoryLab.start(options);
  const abort = new AbortController();
  try {
    const result = await Promise.race([
      runOne(lab, hooks, abort.signal),
      interrupted.then(() => {
        abort.abort();
        throw new Error('interrupted');
      }),
    ]);
    hooks.progress('');
    hooks.report(result);
    if (hooks.keep && !(lab instanceof MemoryLab)) {
      const { topology } = lab;
      const places =
        topology instanceof Deployment
          ? [
              [topology.mn, 'mobile node'],
              [topology.mag, 'MAG'],
              [topology.lma, 'LMA'],
              [topology.cn, 'correspondent'],
            ]
          : [
              [topology.mag, 'mobile node, MAG'],
              [topology.lma, 'LMA, correspondent'],
            ];
      hooks.announce('The lab goes on. Enter it with:');
      for (const [namespace, who] of places) hooks.announce(`  ip netns exec ${namespace} bash   (${who})`);
      hooks.announce('Stop it with Ctrl-C.');
      await interrupted;
    }
    return result;
  } finally {
    await stopAllTraffic();
    await lab.stop();
  }
}

type Lab = NamespaceLab | SignaledLab | MemoryLab;

async function startLab(options: LabOptions, hooks: LabHooks): Promise<Lab> {
  removeLeftovers(tmpdir());
  if (options.static) return await NamespaceLab.start(options);
  checkNegotiable(options.paths);
  hooks.begin();
  hooks.progress('starting LMA and MAG');
  const lab = await SignaledLab.start(options, hooks.message);
  hooks.progress('');
  return lab;
}

async function runOne(lab: Lab, hooks: LabHooks, signal: AbortSignal): Promise<LabResult> {
  if (lab instanceof SignaledLab) hooks.configured(await lab.switchOn());
  return await lab.run(hooks.progress, signal);
}

/** Why TUN devices and namespaces are not to be had, null if they are. */
function whyNoNamespaces(): string | null {
  if (process.getuid?.() !== 0) return 'not root';
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch {
    return 'no /dev/net/tun';
  }
  return null;
}
