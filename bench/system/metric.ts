/** What is measured, in which unit, and how it compares with bare veth. The order is that of every table. */

/** Parts of a measurement that can be chosen by --only; `tcp1` includes the ping beside it and the CPU time. */
export const PARTS = ['tcp1', 'tcp8', 'udp64', 'udp1400', 'ping'] as const;
export type Part = (typeof PARTS)[number];

export interface Metric {
  readonly key: string;
  readonly part: Part;
  /** Which of the two tables it is in. */
  readonly table: 'throughput' | 'cost';
  readonly title: string;
  readonly unit: string;
  readonly digits: number;
  /** How it is compared with bare veth. */
  readonly compare: 'ratio' | 'difference';
}

const RATE = { table: 'throughput', digits: 0, compare: 'ratio' } as const;
const DELAY = { table: 'cost', unit: 'µs', digits: 0, compare: 'difference' } as const;
const CPU = { table: 'cost', unit: 's/GB', digits: 2, compare: 'difference' } as const;

export const METRICS = [
  { key: 'tcp1', part: 'tcp1', title: 'TCP, 1 stream', unit: 'Mbit/s', ...RATE },
  { key: 'tcp8', part: 'tcp8', title: 'TCP, 8 streams', unit: 'Mbit/s', ...RATE },
  { key: 'udp64Paced', part: 'udp64', title: 'UDP 64, paced', unit: 'packets/s', ...RATE },
  { key: 'udp64Flood', part: 'udp64', title: 'UDP 64, flood', unit: 'packets/s', ...RATE },
  { key: 'udp1400Paced', part: 'udp1400', title: 'UDP 1400, paced', unit: 'packets/s', ...RATE },
  { key: 'udp1400Flood', part: 'udp1400', title: 'UDP 1400, flood', unit: 'packets/s', ...RATE },
  { key: 'pingIdle', part: 'ping', title: 'ping, idle', ...DELAY },
  { key: 'pingIdle99', part: 'ping', title: 'ping, idle, p99', ...DELAY },
  { key: 'pingTcp', part: 'tcp1', title: 'ping beside TCP', ...DELAY },
  { key: 'pingTcp99', part: 'tcp1', title: 'ping beside TCP, p99', ...DELAY },
  { key: 'cpuMachine', part: 'tcp1', title: 'CPU, whole machine', ...CPU },
  { key: 'cpuTunnel', part: 'tcp1', title: "CPU, tunnel's processes", ...CPU },
] as const satisfies readonly Metric[];

export type MetricKey = (typeof METRICS)[number]['key'];

/** One measurement of one scenario; what was not asked for or failed is missing. */
export interface Sample {
  readonly values: Readonly<Partial<Record<MetricKey, number>>>;
  /** Things that a reader has to know, such as a figure that is the generator's limit. */
  readonly notes: readonly string[];
}
