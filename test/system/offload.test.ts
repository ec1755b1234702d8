/** Segmentation offloads with a real kernel: in use, switched off one by one, and refused by a device. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { NamespaceLab } from '../../src/lab/namespace-lab.ts';
import type { OffloadOptions } from '../../src/node/offload-options.ts';
import { SESSION, pathAddresses, planPaths } from '../../src/lab/plan.ts';
import { expectSound } from '../support/sound-lab.ts';

const ALL = { tun: true, segment: true, merge: true, link: 'auto', xdp: 'off' } as const;

async function withLab(
  offload: OffloadOptions,
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
  await withLab({ ...ALL, ...offload }, async (lab) => {
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

test('an MTU that becomes smaller than configured on one path: its packets are counted as too big, the transfer goes on', async () => {
  await withLab(ALL, async (lab) => {
    lab.topology.countWirePackets(false);
    const transfer = lab.tcp('uplink');
    const { dataplane } = lab.mag;
    // Packets have to be under way: an MTU that has been learned before the first of them loses none.
    await eventually(() => dataplane.session(SESSION).paths[1]!.txPackets > 1000);
    for (const namespace of [lab.topology.mag, lab.topology.lma]) {
      ip(namespace, 'link', 'set', 'wan2', 'mtu', '1300');
    }
    expect((await transfer).sha256Match).toBe(true);
    const { drops, offload } = dataplane.status();
    expect(drops['send-too-big']).toBeGreaterThan(0);
    expect(Object.keys(drops).filter((reason) => !reason.endsWith('too-big'))).toEqual([]);
    // The endpoint still uses UDP_SEGMENT: the size was wrong, not the way.
    expect(offload.endpoints.segment).toBe(2);
  });
});

test.each(['off', 'auto', 'on'] as const)('GRE, straight to the next hop: %s', async (link) => {
  await withLab(
    { ...ALL, link },
    async (lab) => {
      meetNeighbours(lab);
      await eventually(() => lab.mag.dataplane.status().offload.links.link === (link === 'off' ? 0 : 2));
      await expectSound(lab);
      for (const end of [lab.mag, lab.lma]) {
        expect(end.dataplane.status().offload.links).toEqual({ raw: 2, link: link === 'off' ? 0 : 2 });
      }
    },
    'gre',
  );
});

test('a neighbour with another link-layer address in the midst of a transfer is followed', async () => {
  await withLab(
    ALL,
    async (lab) => {
      meetNeighbours(lab);
      await eventually(() => lab.mag.dataplane.status().offload.links.link === 2);
      const transfer = lab.tcp('uplink');
      const { lma } = pathAddresses(0, 4);
      const address = '02:00:00:00:00:77';
      // What a gratuitous ARP of the LMA does to the table of the MAG.
      ip(lab.topology.lma, 'link', 'set', 'wan1', 'address', address);
      ip(lab.topology.mag, 'neigh', 'replace', lma, 'lladdr', address, 'dev', 'wan1', 'nud', 'reachable');
      const before = lab.lma.dataplane.session(SESSION).paths[0]!.rxPackets;
      expect((await transfer).sha256Match).toBe(true);
      expect(lab.lma.dataplane.session(SESSION).paths[0]!.rxPackets).toBeGreaterThan(before);
      expect(lab.mag.dataplane.status().offload.links.link).toBe(2);
      expect(lab.mag.dataplane.status().drops).toEqual({});
    },
    'gre',
  );
});

test('IPsec policies, unknown neighbours and other routes: the sockets take over, and give back afterwards', async () => {
  await withLab(
    ALL,
    async (lab) => {
      meetNeighbours(lab);
      const links = (): number => lab.mag.dataplane.status().offload.links.link;
      await eventually(() => links() === 2);
      const policy = ['xfrm', 'policy', 'src', '198.51.100.1/32', 'dst', '198.51.100.2/32', 'dir', 'out'];
      ip(lab.topology.mag, 'xfrm', 'policy', 'add', ...policy.slice(2), 'action', 'block');
      await eventually(() => links() === 0);
      ip(lab.topology.mag, 'xfrm', 'policy', 'delete', ...policy.slice(2));
      await eventually(() => links() === 2);
      const { lma } = pathAddresses(1, 4);
      ip(lab.topology.mag, 'route', 'add', 'unreachable', `${lma}/32`);
      await eventually(() => links() === 1);
      ip(lab.topology.mag, 'route', 'delete', 'unreachable', `${lma}/32`);
      await eventually(() => links() === 2);
      ip(lab.topology.mag, 'neigh', 'replace', lma, 'dev', 'wan2', 'nud', 'failed');
      await eventually(() => links() === 1);
      ip(lab.topology.mag, 'neigh', 'delete', lma, 'dev', 'wan2');
      await expectSound(lab);
      await eventually(() => links() === 2);
    },
    'gre',
  );
});

/** Until something is sent to a neighbour, the kernel does not know its link-layer address. */
function meetNeighbours(lab: NamespaceLab): void {
  for (const index of [0, 1]) {
    const { lma } = pathAddresses(index, 4);
    spawnSync('ip', ['netns', 'exec', lab.topology.mag, 'ping', '-c', '1', '-W', '2', lma]);
  }
}

function ip(namespace: string, ...args: string[]): void {
  const { status, stderr } = spawnSync('ip', ['-n', namespace, ...args], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
}

async function eventually(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !holds(); tries++)
    await new Promise((resolve) => setTimeout(resolve, 20));
  expect(holds()).toBe(true);
}
