/**
 * A NAT for UDP in user space, for kernels without one: takes what comes to the LMA's address in one namespace and sends it on from
 * another one, from ports of its own, and the other way round (endpoint-independent mapping, RFC 4787 §4.1).
 */
import { type Datagram, MobilityTransport } from '../../src/net/mobility-transport.ts';
import type { Readiness } from '../../src/net/readiness.ts';

interface Mapping {
  readonly inside: { readonly address: string; readonly port: number };
  /** Port of the LMA that the inside socket stands for. */
  readonly service: number;
  readonly outside: number;
  readonly socket: number;
}

export class UdpNat {
  readonly #inside: MobilityTransport;
  readonly #outside: MobilityTransport;
  readonly #services = new Map<number, number>();
  readonly #bySender = new Map<string, Mapping>();
  readonly #bySocket = new Map<number, Mapping>();
  readonly #address: string;
  readonly #lma: string;
  #nextPort = 40_000;

  /** `lma` is an address of namespace `inside` too; `address` is the NAT's own in namespace `outside`. */
  constructor(
    readiness: Readiness,
    inside: string,
    outside: string,
    lma: string,
    address: string,
    ports: readonly number[],
  ) {
    this.#lma = lma;
    this.#address = address;
    this.#inside = new MobilityTransport(inside, readiness, (datagrams) => {
      for (const datagram of datagrams) this.#toLma(datagram);
    });
    this.#outside = new MobilityTransport(outside, readiness, (datagrams) => {
      for (const datagram of datagrams) this.#toMag(datagram);
    });
    for (const port of ports) this.#services.set(this.#inside.open({ local: lma, port }), port);
  }

  /** Every mapping gets another port, as if the NAT had been restarted. */
  forget(): void {
    for (const socket of this.#bySocket.keys()) this.#outside.close(socket);
    this.#bySender.clear();
    this.#bySocket.clear();
  }

  /** Outside ports by inside end. */
  mappings(): Record<string, number> {
    return Object.fromEntries([...this.#bySender].map(([sender, { outside }]) => [sender, outside]));
  }

  stop(): void {
    this.#inside.closeAll();
    this.#outside.closeAll();
  }

  #toLma({ socket, from, port, data }: Datagram): void {
    const service = this.#services.get(socket)!;
    const key = `${from} ${port} ${service}`;
    let mapping = this.#bySender.get(key);
    if (!mapping) {
      const outside = this.#nextPort++;
      mapping = {
        inside: { address: from, port: port! },
        service,
        outside,
        socket: this.#outside.open({ local: this.#address, port: outside }),
      };
      this.#bySender.set(key, mapping);
      this.#bySocket.set(mapping.socket, mapping);
    }
    this.#outside.send(mapping.socket, data, this.#address, this.#lma, service);
  }

  #toMag({ socket, data }: Datagram): void {
    const mapping = this.#bySocket.get(socket);
    if (!mapping) return;
    for (const [inside, service] of this.#services) {
      if (service === mapping.service)
        this.#inside.send(inside, data, this.#lma, mapping.inside.address, mapping.inside.port);
    }
  }
}
