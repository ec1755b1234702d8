/** The throughput targets: ratios within one run on a two-core machine with both ends on it. */
import type { MetricKey } from './metric.ts';
import type { ScenarioResult } from './results.ts';
import { BARE, tunloomName } from './scenario.ts';

export interface TargetResult {
  readonly what: string;
  readonly target: string;
  /** null: something that it needs was not measured. */
  readonly value: number | null;
  readonly met: boolean | null;
  /** The peer that a "best peer" was, or why there is no value. */
  readonly against: string | null;
}

const TWO = tunloomName('udp-gre', 4, [1, 1]);
const EIGHT = tunloomName('udp-gre', 4, Array<number>(8).fill(1));
const UNEVEN = tunloomName('udp-gre', 4, [3, 2]);
const GRE = tunloomName('gre', 4, [1, 1]);

/** Works every target out from what was measured. */
export function checkTargets(
  scenarios: readonly ScenarioResult[],
  absent: readonly string[],
): TargetResult[] {
  const value = (name: string, key: MetricKey): number | null =>
    scenarios.find((scenario) => scenario.name === name)?.figures[key]?.median ?? null;
  const ratio = (
    what: string,
    target: number,
    of: number | null,
    by: number | null,
    against: string | null,
  ) => atLeast(what, target, of !== null && by ? of / by : null, against);
  const peer = (what: string, target: number, key: MetricKey, name: string) =>
    ratio(
      what,
      target,
      value(TWO, key),
      value(name, key),
      absent.includes(name) ? `${name}: not installed` : name,
    );
  const best = (key: MetricKey, better: 'more' | 'less'): { name: string; value: number } | null =>
    scenarios
      .filter(({ kind, figures }) => kind === 'peer' && figures[key])
      .map(({ name, figures }) => ({ name, value: figures[key]!.median }))
      .sort((a, b) => (better === 'more' ? b.value - a.value : a.value - b.value))[0] ?? null;

  const mostDatagrams = best('udp64Paced', 'more');
  const leastCpu = best('cpuMachine', 'less');
  const idle = difference(value(TWO, 'pingIdle'), value(BARE, 'pingIdle'));
  const beside = value(TWO, 'pingTcp99');
  const stream = 'one TCP stream, 2 paths UDP+TLV+GRE';
  return [
    ratio(`${stream}, of ${BARE}`, 0.45, value(TWO, 'tcp1'), value(BARE, 'tcp1'), BARE),
    peer(`${stream}, times MLVPN`, 9, 'tcp1', 'MLVPN'),
    peer(`${stream}, times wireguard-go`, 2, 'tcp1', 'wireguard-go'),
    ratio('8 paths, of the 2-path figure', 0.9, value(EIGHT, 'tcp1'), value(TWO, 'tcp1'), TWO),
    ratio('2 paths 3:2, of the 1:1 figure', 0.9, value(UNEVEN, 'tcp1'), value(TWO, 'tcp1'), TWO),
    ratio(`one TCP stream, 2 paths GRE/IPv4, of ${BARE}`, 0.2, value(GRE, 'tcp1'), value(BARE, 'tcp1'), BARE),
    ratio(
      'UDP 64 octets paced, times the best peer',
      1.6,
      value(TWO, 'udp64Paced'),
      mostDatagrams?.value ?? null,
      mostDatagrams?.name ?? null,
    ),
    ratio(
      'UDP 64 octets flooded, of the paced rate',
      0.8,
      value(TWO, 'udp64Flood'),
      value(TWO, 'udp64Paced'),
      null,
    ),
    atMost('ping idle, µs more than bare veth', 60, idle, BARE),
    atMost('ping beside TCP, 99th percentile, ms', 5, beside === null ? null : beside / 1000, null),
    atMost(
      'CPU seconds of the machine a gigabyte, of the best peer',
      1 / 3,
      leastCpu && quotient(value(TWO, 'cpuMachine'), leastCpu.value),
      leastCpu?.name ?? null,
    ),
  ];
}

function atLeast(what: string, target: number, value: number | null, against: string | null): TargetResult {
  return { what, target: `at least ${target}`, value, met: value === null ? null : value >= target, against };
}

function atMost(what: string, target: number, value: number | null, against: string | null): TargetResult {
  const text = `at most ${Number(target.toFixed(2))}`;
  return { what, target: text, value, met: value === null ? null : value <= target, against };
}

function difference(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a - b;
}

function quotient(a: number | null, b: number): number | null {
  return a === null ? null : a / b;
}
