/** Chooses how the lab can run on this machine, runs it, and cleans up whatever happens. */
import { accessSync, constants } from 'node:fs';
import { MemoryLab } from './memory-lab.ts';
import { NamespaceLab } from './namespace-lab.ts';
import type { LabOptions } from './plan.ts';
import type { LabResult } from './report.ts';

export interface LabHooks {
  readonly keep: boolean;
  readonly progress: (step: string) => void;
  /** A line that the user has to see whatever the output format. */
  readonly announce: (line: string) => void;
  readonly report: (result: LabResult) => void;
}

/** Runs the lab. Throws what setting up throws; nothing is left behind then either. */
export async function runLab(options: LabOptions, hooks: LabHooks): Promise<LabResult> {
  const reason = options.memory ? 'asked for by --memory' : whyNoNamespaces();
  if (reason !== null) {
    hooks.announce(
      `tunloom lab: IN-MEMORY PORTS (${reason}): real workers, tables and hot path, no kernel networking`,
    );
  }
  const lab = reason === null ? await NamespaceLab.start(options) : await MemoryLab.start(options);
  const interrupted = new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  try {
    const result = await Promise.race([
      lab.run(hooks.progress),
      interrupted.then(() => {
        throw new Error('interrupted');
      }),
    ]);
    hooks.progress('');
    hooks.report(result);
    if (hooks.keep && lab instanceof NamespaceLab) {
      hooks.announce(
        `The lab goes on. Enter it with:  ip netns exec ${lab.topology.mag} bash   (mobile node, MAG)`,
      );
      hooks.announce(
        `                            or:  ip netns exec ${lab.topology.lma} bash   (LMA, correspondent)`,
      );
      hooks.announce('Stop it with Ctrl-C.');
      await interrupted;
    }
    return result;
  } finally {
    await lab.stop();
  }
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
