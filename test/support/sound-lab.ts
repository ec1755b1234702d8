/** What holds of a static lab with two paths 3:2, whatever offloads it uses. */
import { expect } from 'vitest';
import type { NamespaceLab } from '../../src/lab/namespace-lab.ts';
import { SESSION } from '../../src/lab/plan.ts';

/** Both directions intact, in the shares of 3:2, nothing dropped. */
export async function expectSound(lab: NamespaceLab): Promise<void> {
  for (const direction of ['uplink', 'downlink'] as const) {
    const result = await lab.tcp(direction);
    expect(result.bytes).toBeGreaterThan(0);
    expect(result.sha256Match, direction).toBe(true);
  }
  for (const end of [lab.mag, lab.lma]) {
    expect(end.dataplane.status().drops).toEqual({});
    const [first, second] = end.dataplane.session(SESSION).paths.map((path) => path.txPackets);
    expect(Math.abs(first! * 2 - second! * 3)).toBeLessThanOrEqual(6);
  }
}
