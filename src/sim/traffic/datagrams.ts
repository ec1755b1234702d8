/** Sources that do not listen, as flows of the simulator. */
import type { Random } from '../random.ts';
import { type DatagramSpec, DepartureTimes } from './departure-times.ts';
import type { Flow, FlowPort, FlowResult } from './flow.ts';

/** IPv4 and UDP headers: what of a datagram is no goodput. */
export const DATAGRAM_HEADERS = 28;

export class DatagramFlow implements Flow {
  readonly #spec: DatagramSpec;
  readonly #port: FlowPort;
  readonly #departures: DepartureTimes;
  readonly #number: number;
  #octets = 0;

  constructor(spec: DatagramSpec, port: FlowPort, random: Random) {
    this.#spec = spec;
    this.#port = port;
    this.#number = port.loop.register((now) => this.#run(now));
    this.#departures = new DepartureTimes(spec, random);
    port.loop.at(this.#number, Math.round(this.#departures.due));
  }

  #run(now: number): void {
    if (now >= this.#spec.stop) return;
    this.#port.send(true, this.#departures.size, 0);
    this.#departures.advance();
    this.#port.loop.at(this.#number, Math.round(this.#departures.due));
  }

  receive(_forward: boolean, at: number, _now: number, isFirst: boolean): void {
    if (isFirst) this.#octets += this.#port.sizes[at]! - DATAGRAM_HEADERS;
  }

  burstOver(): void {}

  result(): FlowResult {
    return { octets: this.#octets, retransmits: 0, timeouts: 0, completions: [], windows: [] };
  }
}
