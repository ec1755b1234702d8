/**
 * Moves single flows to a path on purpose: writes the pin table that assembly/schedule/pins.ts reads. The flow's key is worked out by the
 * hot path itself from a packet of that flow, so that both agree.
 */
import * as L from '../../assembly/layout.ts';
import { TunloomError } from '../errors.ts';
import { parseAddress } from '../ip.ts';
import type { FlowName } from './distribution-spec.ts';
import type { DataplaneMemory } from './memory.ts';
import type { HotPath } from './wasm.ts';

const PORT_OCTETS = 8;

export class FlowPins {
  readonly #memory: DataplaneMemory;
  readonly #wasm: HotPath;
  readonly #packet: number;

  constructor(memory: DataplaneMemory, wasm: HotPath) {
    this.#memory = memory;
    this.#wasm = wasm;
    this.#packet = memory.heap.allocate(40 + PORT_OCTETS);
  }

  /** Pins `flow` of session number `session`; null lifts the pin. Throws BAD_FLOW. */
  pin(session: number, flow: FlowName, bid: number | null, nowUs: number): void {
    const mag = this.#memory.control(L.CONTROL_ROLE) === L.ROLE_MAG;
    const [from, to] = mag ? [flow.destination, flow.source] : [flow.source, flow.destination];
    const [fromPort, toPort] = mag
      ? [flow.destinationPort, flow.sourcePort]
      : [flow.sourcePort, flow.destinationPort];
    const source = parse(from);
    const destination = parse(to);
    if (source.family !== destination.family) {
      throw new TunloomError('BAD_FLOW', `${flow.source} and ${flow.destination} are of different families`);
    }
    const { bytes, view } = this.#memory;
    const { family } = source;
    const header = family === 4 ? 20 : 40;
    const total = header + PORT_OCTETS;
    const at = this.#packet;
    bytes.fill(0, at, at + total);
    bytes[at] = family === 4 ? 0x45 : 0x60;
    bytes[at + (family === 4 ? 9 : 6)] = flow.protocol;
    bytes.set(source.bytes, at + (family === 4 ? 12 : 8));
    bytes.set(destination.bytes, at + (family === 4 ? 16 : 24));
    view.setUint16(at + header, fromPort ?? 0);
    view.setUint16(at + header + 2, toPort ?? 0);
    const mobile = at + (family === 4 ? (mag ? 12 : 16) : mag ? 8 : 24);
    if (this.#wasm.findSession(family, mobile) !== session) {
      throw new TunloomError('BAD_FLOW', `${flow.destination} is no address of this session's mobile node`);
    }
    this.#wasm.readFlowKey(this.#memory.workerRegion(this.#memory.sizes.workers), family, at, total);
    this.#wasm.pinFlow(bid ?? 0, nowUs);
  }
}

function parse(text: string): ReturnType<typeof parseAddress> {
  try {
    return parseAddress(text);
  } catch (error) {
    throw new TunloomError('BAD_FLOW', (error as Error).message, { cause: error });
  }
}
