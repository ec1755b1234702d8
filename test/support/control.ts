/** What the control socket sees of a bench node: its session store, and a status in the place of workers'. */
import type { DataplaneControl } from '../../src/dataplane/status.ts';
import type { BenchNode } from './bench-node.ts';

export function controlOf(node: BenchNode): DataplaneControl {
  const { sessions } = node;
  return {
    status: () => ({
      role: 'mag',
      tun: { name: 'tun0', mtu: 1400 },
      uptimeSeconds: 1,
      sessions: sessions.size,
      paths: sessions.pathCount,
      workers: [],
      buffers: { total: 1, free: 1 },
      offload: {
        tun: 'off',
        mergeTcp: false,
        mergeUdp: false,
        endpoints: { udp: 2, segment: 1, merge: 2 },
        links: { raw: 3, link: 2 },
        xdp: null,
        tunRxSupers: 0,
        tunTxSupers: 0,
        pathRxMerged: 5,
        pathTxMerged: 0,
      },
      distribution: { classified: 1, copies: 0, picksRefused: 0 },
      drops: { ecn: 7 },
      resequencer: node.resequencer(),
    }),
    sessions: () => sessions.specs().map(({ name }) => sessions.status(name)),
    session: (name) => sessions.status(name),
    spec: (name) => sessions.spec(name),
    addSession: (session) => sessions.add(session),
    removeSession: (name) => sessions.remove(name),
    updateSession: (session) => sessions.update(session),
    setWeights: (name, weights) => sessions.setWeights(name, weights),
    setDistribution: (name, distribution) => sessions.update({ ...sessions.spec(name), distribution }),
    setPathState: (name, bid, state) => sessions.setPathState(name, bid, state),
    setPathEstimates: (name, bid, estimates) => sessions.setPathEstimates(name, bid, estimates),
    moveFlow: (name, flow, bid) => sessions.moveFlow(name, flow, bid, node.now),
  };
}
