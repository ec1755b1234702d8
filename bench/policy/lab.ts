/** The lab of one row: two namespaces, one session, links by the emulator, probes on. */
import { setTimeout as pause } from 'node:timers/promises';
import { NamespaceLab } from '../../src/lab/namespace-lab.ts';
import { SESSION, planPaths } from '../../src/lab/plan.ts';
import { HEALTH_DEFAULTS } from '../../src/paths/path-health.ts';
import type { Setting } from './rows.ts';

/** Probes have measured every path by then. */
const SETTLE_MS = 1500;

/** Does something with a lab that has settled, and takes it down. */
export async function withLab<T>(setting: Setting, use: (lab: NamespaceLab) => Promise<T>): Promise<T> {
  const { paths, weights, adaptive, scheduler, equalDelay } = setting;
  const lab = await NamespaceLab.start({
    paths: planPaths({ paths, weights, encapsulation: 'udp-gre', family: '4' }),
    duration: 1,
    workers: 1,
    memory: false,
    static: true,
    health: HEALTH_DEFAULTS,
    scheduler,
    equalDelay,
  });
  try {
    for (const end of [lab.mag, lab.lma]) end.pathWatch!.setAdaptive(SESSION, adaptive ?? false);
    await pause(SETTLE_MS);
    return await use(lab);
  } finally {
    await lab.stop();
  }
}
