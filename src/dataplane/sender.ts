/**
 * Sends what the hot path has laid out (assembly/pipeline/send.ts): the messages of a batch, in groups of one endpoint each. A group goes by
 * one sendmmsg(2); several groups of one message each, as super-packets over several paths make them, go by one io_uring_enter(2) where
 * the worker has a ring (assembly/pipeline/ring.ts).
 */
import * as L from '../../assembly/layout.ts';
import { enterRing } from '../net/libc.ts';
import type { PacketDevice } from './device/device.ts';
import { sendErrorReason } from './drop-reasons.ts';
import type { HotPath } from './wasm.ts';

const EPERM = 1;
const EINTR = 4;
const EIO = 5;
const EINVAL = 22;
const EMSGSIZE = 90;
const EOPNOTSUPP = 95;
const NO_SOCKET = 0xffffffff;

/** Whether a send with UDP_SEGMENT that failed with `errno` may work without it. */
function isSegmentRefusal(errno: number): boolean {
  return errno === EIO || errno === EINVAL || errno === EMSGSIZE || errno === EOPNOTSUPP;
}

export class Sender {
  readonly #wasm: HotPath;
  readonly #region: number;
  readonly #u32: Uint32Array;
  /** Descriptor of io_uring(7), null without, or once it has failed. */
  #ring: number | null = null;
  /** Position of WORKER_MESSAGE_ERRORS in `u32`. */
  readonly #errors: number;
  /** By endpoint number. */
  readonly #devices: (PacketDevice | null)[] = [];
  /** The ring sends on sockets. */
  #onlySockets = true;

  /** `region`: offset of the worker's region in the memory that `u32` views. */
  constructor(wasm: HotPath, region: number, u32: Uint32Array, ring: number | null) {
    this.#wasm = wasm;
    this.#region = region;
    this.#u32 = u32;
    this.#setRing(ring);
    this.#errors = (region + L.WORKER_MESSAGE_ERRORS) >> 2;
    const sockets = (region + L.WORKER_SOCKETS) / 4;
    u32.fill(NO_SOCKET, sockets, sockets + L.MAX_ENDPOINTS);
  }

  /** null: the endpoint is gone. */
  setDevice(endpoint: number, device: PacketDevice | null): void {
    this.#devices[endpoint] = device;
    this.#onlySockets = this.#devices.every((each) => !each || each.socket >= 0);
    this.#u32[(this.#region + L.WORKER_SOCKETS) / 4 + endpoint] = device?.socket ?? NO_SOCKET;
  }

  /** All that is laid out; a message that fails is counted and passed over. */
  send(): void {
    const groups = this.#word(L.WORKER_GROUP_COUNT);
    // More messages an endpoint would be worth a call each, and could overtake one that is refused.
    const single = groups > 1 && groups <= L.URING_ENTRIES && groups === this.#word(L.WORKER_MESSAGE_COUNT);
    const ring = single && this.#onlySockets ? this.#ring : null;
    if (ring === null || !this.#sendByRing(ring)) this.#sendByGroups();
    this.#wasm.sendsDone(this.#region);
  }

  /** One message a group. False: some have been laid out again and are still to be sent. */
  #sendByRing(ring: number): boolean {
    this.#u32[(this.#region + L.WORKER_RING_FAILURES) >> 2] = 0;
    const filled = this.#wasm.fillRing(this.#region);
    let submitted = 0;
    for (let complete = 0; complete < filled;) {
      const result = enterRing(ring, filled - submitted, filled - complete);
      if (result >= 0) {
        submitted += result;
      } else if (result !== -EINTR) {
        // It does not work any more: what is left goes without.
        this.#setRing(null);
        this.#u32.fill(L.MESSAGE_REFUSED, this.#errors + submitted, this.#errors + filled);
        return this.#settle(filled);
      }
      complete += this.#wasm.reapRing(this.#region);
    }
    return this.#word(L.WORKER_RING_FAILURES) === 0 || this.#settle(filled);
  }

  /** What the ring could not send is passed over or laid out again. False: something was. */
  #settle(messages: number): boolean {
    let refused = false;
    for (let message = 0; message < messages; message++) {
      const errno = this.#u32[this.#errors + message]!;
      if (errno === L.MESSAGE_REFUSED || (errno && this.#fail(message, errno))) refused = true;
    }
    if (refused) this.#wasm.regroupSends(this.#region);
    return !refused;
  }

  /** One sendmmsg(2) a group. */
  #sendByGroups(): void {
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

  #setRing(ring: number | null): void {
    this.#ring = ring;
    // So that the status tells.
    if (ring === null) this.#u32[(this.#region + L.WORKER_RING_SQES) >> 2] = 0;
  }

  #word(field: number): number {
    return this.#u32[(this.#region + field) >> 2]!;
  }
}
