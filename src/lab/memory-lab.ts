/**
 * The lab without root: the same workers, tables and hot path, with rings in memory in the place of TUN devices and
 * sockets. A "file" travels as TCP segments in order with a bounded number on the way; datagrams as UDP; echoes are
 * answered here. What leaves on one end's path enters the other end's.
 */
import { createHash } from 'node:crypto';
import * as L from '../../assembly/layout.ts';
import { Dataplane } from '../dataplane/dataplane.ts';
import { PacketRing, createRing } from '../dataplane/device/memory-device.ts';
import { compileScheduler } from '../dataplane/scheduler-compiler.ts';
import type { DeviceHandle } from '../dataplane/device/device.ts';
import type { EndpointSpec, PortProvider } from '../dataplane/endpoints.ts';
import { buildDatagram, readDatagram } from './datagram.ts';
import { median, summarisePaths } from './measurement.ts';
import { CORRESPONDENT, type LabOptions, MOBILE, SESSION, labSession } from './plan.ts';
import { type LabResult, type TransferResult, type UdpResult, findProblems, mergeDrops } from './report.ts';

const SEGMENT = 1200;
/** Packets on their way at once: below the ring size, so that nothing is lost. */
const IN_FLIGHT = 256;
const DATAGRAMS = 5000;
const PINGS = 50;
const PATIENCE_MS = 2000;

/** Rings of both ends' endpoints, found by (local address, protocol, port). */
class MemoryPorts implements PortProvider {
  readonly #rings: Map<string, SharedArrayBuffer[]>;
  readonly #remotes: ReadonlyMap<string, string>;

  constructor(rings: Map<string, SharedArrayBuffer[]>, remotes: ReadonlyMap<string, string>) {
    this.#rings = rings;
    this.#remotes = remotes;
  }

  mode(): number {
    return L.MODE_WHOLE;
  }

  offload(): number {
    return 0;
  }

  open(endpoint: EndpointSpec, workers: number): DeviceHandle[] {
    const receive = this.#ring(endpoint.local, endpoint, workers);
    const send = this.#ring(this.#remotes.get(endpoint.local)!, endpoint, workers);
    // One worker reads a path, so that it stays FIFO; any worker may send on it.
    const reader = Number(endpoint.local.match(/\d+/g)?.at(-1) ?? 0) % workers;
    return Array.from({ length: workers }, (_, worker) => ({
      kind: 'memory',
      receive: worker === reader ? receive[0]! : null,
      send: send[0]!,
    }));
  }

  close(): void {}

  #ring(address: string, endpoint: EndpointSpec, workers: number): SharedArrayBuffer[] {
    const key = `${address}|${endpoint.protocol}|${endpoint.port}`;
    let rings = this.#rings.get(key);
    if (!rings) {
      rings = Array.from({ length: Math.min(workers, 1) }, createRing);
      this.#rings.set(key, rings);
    }
    return rings;
  }
}

interface End {
  readonly dataplane: Dataplane;
  readonly toTun: PacketRing;
  readonly fromTun: PacketRing;
}

export class MemoryLab {
  readonly #options: LabOptions;
  readonly #mag: End;
  readonly #lma: End;

  static async start(options: LabOptions): Promise<MemoryLab> {
    const rings = new Map<string, SharedArrayBuffer[]>();
    const sessions = {
      mag: labSession('mag', options.paths, options.scheduler),
      lma: labSession('lma', options.paths, options.scheduler),
    };
    const remotes = new Map(
      [...sessions.mag.paths, ...sessions.lma.paths].map((path) => [path.local, path.remote] as const),
    );
    const mag = await startEnd('mag', options, new MemoryPorts(rings, remotes));
    const lma = await startEnd('lma', options, new MemoryPorts(rings, remotes));
    mag.dataplane.addSession(sessions.mag);
    lma.dataplane.addSession(sessions.lma);
    return new MemoryLab(options, mag, lma);
  }

  private constructor(options: LabOptions, mag: End, lma: End) {
    this.#options = options;
    this.#mag = mag;
    this.#lma = lma;
  }

  async stop(): Promise<void> {
    await this.#mag.dataplane.stop();
    await this.#lma.dataplane.stop();
  }

  async run(progress: (step: string) => void): Promise<LabResult> {
    const options = this.#options;
    progress('echo');
    const rtts = await this.#echo();
    progress(`transfer uplink, ${options.duration} s`);
    const uplink = await this.#transfer('uplink');
    progress(`transfer downlink, ${options.duration} s`);
    const downlink = await this.#transfer('downlink');
    progress('datagrams');
    const udp = { uplink: await this.#datagrams('uplink'), downlink: await this.#datagrams('downlink') };
    const mag = this.#mag.dataplane.session(SESSION);
    const lma = this.#lma.dataplane.session(SESSION);
    const result = {
      mode: 'memory' as const,
      encapsulation: [...new Set(options.paths.map((path) => path.encapsulation))].join('+'),
      weights: options.paths.map((path) => path.weight),
      scheduler: options.scheduler ?? 'weighted',
      paths: summarisePaths(mag, lma, null),
      tcp: { uplink, downlink },
      iperf3: null,
      udp,
      ping: { lossPercent: ((PINGS - rtts.length) * 100) / PINGS, rttMs: median(rtts) },
      resequencer: { uplink: lma.resequencer, downlink: mag.resequencer },
      drops: mergeDrops(this.#mag.dataplane.status(), this.#lma.dataplane.status()),
      workers: options.workers,
      emulated: [],
      signaling: [],
      sessions: [],
    };
    return { ...result, problems: findProblems(result, lma.sequenced) };
  }

  #ends(direction: 'uplink' | 'downlink'): { from: End; to: End; source: string; destination: string } {
    return direction === 'uplink'
      ? { from: this.#mag, to: this.#lma, source: MOBILE[6], destination: CORRESPONDENT[6] }
      : { from: this.#lma, to: this.#mag, source: CORRESPONDENT[4], destination: MOBILE[4] };
  }

  /** Sends numbered packets as `next` supplies them, never more than IN_FLIGHT ahead of what has arrived. */
  async #pump(
    direction: 'uplink' | 'downlink',
    next: (number: number) => Uint8Array | null,
    arrived: (number: number, payload: Uint8Array) => void,
  ): Promise<number> {
    const { from, to, source, destination } = this.#ends(direction);
    const buffer = new Uint8Array(4096);
    let sent = 0;
    let received = 0;
    let payload = next(0);
    let lastProgress = performance.now();
    while (payload !== null || received < sent) {
      while (payload !== null && sent - received < IN_FLIGHT) {
        if (!from.toTun.push(buildDatagram(source, destination, sent, payload))) break;
        sent++;
        payload = next(sent);
      }
      for (let length = to.fromTun.take(buffer); length >= 0; length = to.fromTun.take(buffer)) {
        const datagram = readDatagram(buffer.subarray(0, length));
        received++;
        arrived(datagram.number, datagram.payload);
        lastProgress = performance.now();
      }
      if (performance.now() - lastProgress > PATIENCE_MS) break;
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    return sent;
  }

  async #transfer(direction: 'uplink' | 'downlink'): Promise<TransferResult> {
    const sentHash = createHash('sha256');
    const receivedHash = createHash('sha256');
    const waiting = new Map<number, Uint8Array>();
    let expected = 0;
    let bytes = 0;
    const started = performance.now();
    const end = started + this.#options.duration * 1000;
    await this.#pump(
      direction,
      (number) => {
        if (performance.now() >= end) return null;
        const payload = new Uint8Array(SEGMENT).fill(number & 255);
        new DataView(payload.buffer).setUint32(0, Math.imul(number, 2654435761) >>> 0);
        sentHash.update(payload);
        return payload;
      },
      (number, payload) => {
        // What TCP would do: put segments into order (needed only without sequence numbers in the tunnel).
        waiting.set(number, payload);
        for (let ready = waiting.get(expected); ready; ready = waiting.get(expected)) {
          receivedHash.update(ready);
          bytes += ready.length;
          waiting.delete(expected++);
        }
      },
    );
    const seconds = (performance.now() - started) / 1000;
    return {
      bytes,
      seconds,
      bitsPerSecond: (bytes * 8) / seconds,
      sha256Match: sentHash.digest('hex') === receivedHash.digest('hex'),
    };
  }

  async #datagrams(direction: 'uplink' | 'downlink'): Promise<UdpResult> {
    let received = 0;
    let outOfOrder = 0;
    let highest = -1;
    const sent = await this.#pump(
      direction,
      (number) => (number < DATAGRAMS ? new Uint8Array(64 + (number % 1000)) : null),
      (number) => {
        received++;
        if (number < highest) outOfOrder++;
        highest = Math.max(highest, number);
      },
    );
    return { sent, received, lost: sent - received, outOfOrder };
  }

  /** One packet there and one back, PINGS times; milliseconds each. */
  async #echo(): Promise<number[]> {
    const rtts: number[] = [];
    for (let i = 0; i < PINGS; i++) {
      const started = performance.now();
      let arrived = 0;
      for (const direction of ['uplink', 'downlink'] as const) {
        await this.#pump(
          direction,
          (number) => (number ? null : new Uint8Array(56)),
          () => arrived++,
        );
      }
      if (arrived === 2) rtts.push(performance.now() - started);
    }
    return rtts;
  }
}

async function startEnd(role: 'mag' | 'lma', options: LabOptions, ports: PortProvider): Promise<End> {
  const queues = Array.from({ length: options.workers }, createRing);
  const fromTun = createRing();
  const bells = queues.map(() => new SharedArrayBuffer(4));
  const { customScheduler } = options;
  const dataplane = await Dataplane.start({
    role,
    hotPath: customScheduler === undefined ? undefined : await compileScheduler(customScheduler),
    sizes: {
      workers: options.workers,
      sessions: 64,
      paths: 256,
      buffers: 8192,
      bufferSize: 2048,
      heap: 16 << 20,
      supers: false,
    },
    hostBase: () => 0,
    ports,
    tun: {
      name: 'memory',
      mtu: () => 1500,
      devices: queues.map((queue) => ({ kind: 'memory', receive: queue, send: fromTun })),
    },
    wake: bells.map((bell) => ({
      fd: -1,
      bell,
      signal: () => {
        const words = new Int32Array(bell);
        Atomics.add(words, 0, 1);
        Atomics.notify(words, 0);
      },
    })),
  });
  // A flow stays on one queue, as with a multi-queue TUN device; the lab has one flow at a time.
  return { dataplane, toTun: new PacketRing(queues[0]!), fromTun: new PacketRing(fromTun) };
}
