/** An AF_XDP socket: packets lie in rings that the hot path fills and empties (assembly/pipeline/xdp.ts); the kernel is told of those to send. */
import * as L from '../../../assembly/layout.ts';
import { sendRing } from '../../net/libc.ts';
import type { HotPath } from '../wasm.ts';
import { isTemporary } from './tun-device.ts';
import type { PacketDevice } from './device.ts';

/** The kernel takes 32 frames a call; where a device takes none, what is left waits in the ring for the next call, also of poll(2). */
const CALLS = 2 * (L.XDP_SEND_CHUNKS / 32);

export class XdpDevice implements PacketDevice {
  readonly fd: number;
  readonly #record: number;
  readonly #wasm: HotPath;
  readonly #region: number;
  readonly #u32: Uint32Array;

  /** `record`: of the socket (XDP_STRIDE); `region`: of the worker whose places packets are received into. */
  constructor(fd: number, record: number, wasm: HotPath, region: number, u32: Uint32Array) {
    this.fd = fd;
    this.#record = record;
    this.#wasm = wasm;
    this.#region = region;
    this.#u32 = u32;
  }

  /** Packets of one endpoint, `source`, into the worker's places. */
  receive(_headers: number, count: number): number {
    return this.#wasm.receiveFrames(this.#region, this.#record, count);
  }

  /** Endpoint number of what was received last. */
  get source(): number {
    return this.#u32[(this.#record + L.XDP_ENDPOINT) / 4]!;
  }

  /** Whether there is more to receive. */
  get hasInput(): boolean {
    return !this.#isEmpty(L.XDP_RECEIVE);
  }

  send(headers: number, count: number): number {
    const sent = this.#wasm.sendFrames(this.#record, headers, count);
    for (let calls = 0; calls < CALLS && !this.#isEmpty(L.XDP_SEND); calls++) {
      const result = sendRing(this.fd);
      if (result < 0 && !isTemporary(-result)) break;
    }
    return sent;
  }

  #isEmpty(ring: number): boolean {
    const at = (this.#record + ring) / 4;
    const producer = this.#u32[at + L.RING_PRODUCER / 4]! / 4;
    const consumer = this.#u32[at + L.RING_CONSUMER / 4]! / 4;
    return Atomics.load(this.#u32, producer) === Atomics.load(this.#u32, consumer);
  }
}
