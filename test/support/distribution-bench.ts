/** An LMA with paths of known rate and delay, driven packet by packet under a clock of its own: for tests of schedulers. */
import * as L from '../../assembly/layout.ts';
import type { DistributionSpec, SchedulerName } from '../../src/dataplane/distribution-spec.ts';
import type { PathSpec, SessionSpec } from '../../src/dataplane/session-spec.ts';
import { BenchNode } from './bench-node.ts';
import { flowPacket } from './flow-packet.ts';
import { testPath, testSession } from './session.ts';

export interface BenchPath {
  readonly weight: number;
  /** Bits a second. */
  readonly rate?: number;
  readonly delayUs?: number;
  readonly jitterUs?: number;
}

export class DistributionBench {
  readonly node: BenchNode;
  readonly spec: SessionSpec;

  constructor(
    paths: readonly BenchPath[],
    distribution: Partial<DistributionSpec> & { readonly scheduler: SchedulerName },
    more: Partial<SessionSpec> = {},
    hotPath?: WebAssembly.Module,
  ) {
    const specs = paths.map((path, i): PathSpec => testPath(i + 1, { ...path }));
    this.spec = testSession({ paths: specs, clampMss: false, distribution, ...more });
    this.node = new BenchNode('lma', { flows: 4096 }, undefined, hotPath);
    // The same positions in every run.
    this.node.memory.u64[(L.CONTROL + L.CONTROL_HASH_SEED) / 8] = 0x0123_4567_89ab_cdefn;
    this.node.add(this.spec);
    paths.forEach(({ jitterUs }, i) => {
      if (jitterUs !== undefined) this.node.sessions.setPathEstimates('mn1', i + 1, { jitterUs });
    });
  }

  /** Sends a packet of `length` inner octets of flow number `flow`; positions of the paths that it left by. */
  send(length: number, flow = 0): number[] {
    return this.sent(length, flow).map(({ endpoint }) => endpoint);
  }

  sent(length: number, flow = 0): ReturnType<BenchNode['encapsulate']>['sent'] {
    return this.node.encapsulate([packetOf(length, flow)]).sent;
  }

  /** The flow key that the hot path worked out for the last packet. */
  get flowKey(): bigint {
    return this.node.memory.view.getBigUint64(this.node.worker + L.WORKER_FLOW, true);
  }
}

const cache = new Map<string, Uint8Array>();

function packetOf(length: number, flow: number): Uint8Array {
  const key = `${length} ${flow}`;
  let packet = cache.get(key);
  if (!packet) {
    packet = flowPacket({
      family: 4,
      source: '203.0.113.9',
      destination: '192.0.2.10',
      protocol: 17,
      ports: [443, 1024 + flow],
      payload: length - 20,
    });
    cache.set(key, packet);
  }
  return packet;
}
