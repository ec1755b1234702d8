/**
 * Sends what the hot path has laid out (assembly/pipeline/send.ts): the messages of a batch, in groups of one endpoint each. A group goes by
 * one sendmmsg(2).
 */
import * as L from '../../assembly/layout.ts';
import type { PacketDevice } from './device/device.ts';
import { sendErrorReason } from './drop-reasons.ts';
import type { HotPath } from './wasm.ts';

const EPERM = 1;
const EIO = 5;
const EINVAL = 22;
const EMSGSIZE = 90;
const EOPNOTSUPP = 95;

/** Whether a send with UDP_SEGMENT that failed with `errno` may work without it. */
function isSegmentRefusal(errno: number): boolean {
  return errno === EIO || errno === EINVAL || errno === EMSGSIZE || errno === EOPNOTSUPP;
}

export class Sender {
  readonly #wasm: HotPath;
  readonly #region: number;
  readonly #u32: Uint32Array;
  /** Position of WORKER_MESSAGE_ERRORS in `u32`. */
  readonly #errors: number;
  /** By endpoint number. */
  readonly #devices: (PacketDevice | null)[] = [];

  /** `region`: offset of the worker's region in the memory that `u32` views. */
  constructor(wasm: HotPath, region: number, u32: Uint32Array) {
    this.#wasm = wasm;
    this.#region = region;
    this.#u32 = u32;
    this.#errors = (region + L.WORKER_MESSAGE_ERRORS) >> 2;
  }

  /** null: the endpoint is gone. */
  setDevice(endpoint: number, device: PacketDevice | null): void {
    this.#devices[endpoint] = device;
  }

  /** All that is laid out; a message that fails is counted and passed over. */
  send(): void {
    this.#sendGroups();
    this.#wasm.sendsDone(this.#region);
  }

  #sendGroups(): void {
    let groups = this.#word(L.WORKER_GROUP_COUNT);
    for (let group = 0; group < groups; group++) {
      const at = (this.#region + L.WORKER_GROUPS + group * L.GROUP_STRIDE) >> 2;
      const device = this.#devices[this.#u32[at + L.GROUP_ENDPOINT / 4]!];
      let next = this.#u32[at + L.GROUP_FIRST / 4]!;
      const end = next + this.#u32[at + L.GROUP_COUNT / 4]!;
      while (next < end) {
        const headers = this.#region + L.WORKER_SEND_HEADERS + next * L.MMSGHDR_SIZE;
        const sent = device ? device.send(headers, end - next) : -EPERM;
        if (sent > 0) {
          next += sent;
        } else if (this.#fail(next, -sent)) {
          // With all after it, which is not sent yet.
          this.#u32.fill(
            L.MESSAGE_REFUSED,
            this.#errors + next,
            this.#errors + this.#word(L.WORKER_MESSAGE_COUNT),
          );
          this.#wasm.regroupSends(this.#region);
          groups = this.#word(L.WORKER_GROUP_COUNT);
          group = -1;
          break;
        } else {
          next++;
        }
      }
    }
  }

  /** Message `message` failed with `errno`. True: its packets are to be sent one by one; false: they are dropped. */
  #fail(message: number, errno: number): boolean {
    const packets = this.#word(L.WORKER_MESSAGE_PACKETS + message * 4);
    if (packets === 1 || !isSegmentRefusal(errno)) {
      this.#wasm.sendFailed(this.#region, message, sendErrorReason(errno));
      return false;
    }
    // EMSGSIZE: one datagram is too big, and only one by one can tell which. Else: UDP_SEGMENT does not work here.
    if (errno !== EMSGSIZE) this.#wasm.disableSegments(this.#region, message);
    this.#u32[this.#errors + message] = L.MESSAGE_REFUSED;
    return true;
  }

  #word(field: number): number {
    return this.#u32[(this.#region + field) >> 2]!;
  }
}
