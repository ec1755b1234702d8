/** Segmentation offloads with a real kernel: in use, switched off one by one, and refused by a device. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { NamespaceLab } from '../../src/lab/namespace-lab.ts';
import { SESSION, planPaths } from '../../src/lab/plan.ts';

const ALL = { tun: true, segment: true, merge: true };

async function withLab(
  offload: { tun: boolean; segment: boolean; merge: boolean },
  use: (lab: NamespaceLab) => Promise<void>,
  encapsulation = 'udp-gre',
): Promise<void> {
  const lab = await NamespaceLab.start({
    paths: planPaths({ paths: [], weights: '3:2', encapsulation, family: '4' }),
    duration: 1,
    workers: 1,
    static: true,
    memory: false,
    offload,
  });
  try {
    await use(lab);
  } finally {
    await lab.stop();
  }
}

/** Both directions intact, in the shares, nothing dropped. */
async function expectSound(lab: NamespaceLab): Promise<void> {
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

test('all offloads: super-packets in both directions, shares exact', async () => {
  await withLab(ALL, async (lab) => {
    lab.topology.countWirePackets(false);
    await expectSound(lab);
    const { offload } = lab.lma.dataplane.status();
    expect(offload).toMatchObject({ tun: 'on', mergeTcp: true, endpoints: { udp: 2, segment: 2, merge: 2 } });
    expect(offload.tunRxSupers).toBeGreaterThan(0);
    expect(offload.tunTxSupers).toBeGreaterThan(0);
    expect(offload.pathRxMerged).toBeGreaterThan(0);
    expect(offload.pathTxMerged).toBeGreaterThan(0);
  });
});

test.each([
  { tun: false, segment: true, merge: true },
  { tun: true, segment: false, merge: true },
  { tun: true, segment: true, merge: false },
  { tun: false, segment: false, merge: false },
])('tun $tun, segment $segment, merge $merge', async (offload) => {
  await withLab(offload, async (lab) => {
    lab.topology.countWirePackets(false);
    await expectSound(lab);
    const status = lab.lma.dataplane.status().offload;
    expect(status.tun).toBe(offload.tun ? 'on' : 'off');
    expect(status.endpoints).toEqual({
      udp: 2,
      segment: offload.segment ? 2 : 0,
      merge: offload.merge ? 2 : 0,
    });
    expect(status.tunRxSupers > 0).toBe(offload.tun);
    expect(status.tunTxSupers > 0).toBe(offload.tun);
    expect(status.pathTxMerged > 0).toBe(offload.segment);
    expect(status.pathRxMerged > 0).toBe(offload.segment && offload.merge);
  });
});

test('super-packets of the TUN over raw sockets, which have no offload', async () => {
  await withLab(
    ALL,
    async (lab) => {
      await expectSound(lab);
      const { offload } = lab.lma.dataplane.status();
      expect(offload.tunRxSupers).toBeGreaterThan(0);
      expect(offload.tunTxSupers).toBeGreaterThan(0);
      expect(offload.endpoints.udp).toBe(0);
    },
    'gre',
  );
});

test('devices without checksum and segmentation offload: whatever the kernel refuses is sent one by one', async () => {
  await withLab(ALL, async (lab) => {
    for (const namespace of [lab.topology.mag, lab.topology.lma]) {
      for (const device of ['wan1', 'wan2']) {
        const { status, stderr } = spawnSync(
          'ip',
          ['netns', 'exec', namespace, 'ethtool', '-K', device, 'tx', 'off', 'gso', 'off', 'sg', 'off'],
          { encoding: 'utf8' },
        );
        expect(status, stderr).toBe(0);
      }
    }
    await expectSound(lab);
  });
});

test('an MTU smaller than configured on one path: its packets are counted as too big, the others arrive', async () => {
  await withLab(ALL, async (lab) => {
    for (const namespace of [lab.topology.mag, lab.topology.lma]) {
      spawnSync('ip', ['-n', namespace, 'link', 'set', 'wan2', 'mtu', '1300']);
    }
    lab.topology.countWirePackets(false);
    await lab.tcp('uplink').catch(() => {});
    const { drops } = lab.mag.dataplane.status();
    expect(Object.keys(drops).filter((reason) => reason !== 'too-big')).toEqual(['send-too-big']);
    // The endpoint still uses UDP_SEGMENT: the size was wrong, not the way.
    expect(lab.mag.dataplane.status().offload.endpoints.segment).toBe(2);
  });
});
