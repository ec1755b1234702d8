/**
 * A batch from the TUN, as far as the list of sends. What is sent together makes longer messages, so several super-packets go
 * into a batch; but each is cut before the next is read, into the same place: one area serves all, and stays in the core's cache.
 */
import * as L from '../../assembly/layout.ts';
import { monotonicMicroseconds } from './clock.ts';
import type { PacketDevice } from './device/device.ts';
import { MERGED_OCTETS } from './device/tun-device.ts';
import type { HotPath } from './wasm.ts';

/** A batch ends at this many octets, which still fit into a core's cache with the segments that they become. */
const BATCH_OCTETS = 512 << 10;

export class TunBatch {
  readonly #wasm: HotPath;
  readonly #region: number;
  readonly #u32: Uint32Array;
  readonly #tun: PacketDevice;
  /** Sends the list, which has been grouped. */
  readonly #send: () => void;
  /** Whether the last batch had a super-packet. */
  hasSupers = false;

  constructor(wasm: HotPath, region: number, u32: Uint32Array, tun: PacketDevice, send: () => void) {
    this.#wasm = wasm;
    this.#region = region;
    this.#u32 = u32;
    this.#tun = tun;
    this.#send = send;
  }

  /** Reads up to `places` packets, encapsulates and sends them; gives how many there were. */
  pass(places: number): number {
    const headers = this.#region + L.WORKER_RECEIVE_HEADERS;
    let taken = 0;
    let superOctets = 0;
    while (taken < places && superOctets < BATCH_OCTETS) {
      const room = this.#wasm.prepareReceive(this.#region, -1, places - taken);
      const received = this.#tun.receive(headers, room);
      if (received <= 0) break;
      this.#encapsulate(received);
      taken += received;
      const last = this.#u32[(headers + (received - 1) * L.MMSGHDR_SIZE + L.MMSGHDR_LEN) >> 2]!;
      if (last > MERGED_OCTETS) superOctets += last;
      else if (received < room) break;
    }
    this.hasSupers = superOctets > 0;
    if (!taken) return 0;
    this.#wasm.groupSends(this.#region);
    this.#send();
    return taken;
  }

  /** Takes what was received into the list of sends, which is sent only where it is full. */
  #encapsulate(received: number): void {
    let done = 0;
    for (;;) {
      done = this.#wasm.encapsulate(this.#region, done, received, monotonicMicroseconds(), 1);
      if (done === received) return;
      this.#send();
    }
  }
}
