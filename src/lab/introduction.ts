/** What a person reads around the ladder: the deployment in a picture, and what the mobile node made of the messages. */
import type { LabPath } from './plan.ts';
import type { ConfiguredHost } from './signaled-lab.ts';

const MOST_DRAWN = 8;

/** The deployment, at most 80 columns wide. */
export function formatDeployment(paths: readonly LabPath[]): string {
  const left = ' mobile node ── acc0 MAG ';
  const right = ' LMA core0 ── correspondent';
  const drawn = paths.slice(0, MOST_DRAWN);
  const names = drawn.map(({ name, weight }) => ({ name, words: `weight ${weight}` }));
  const width = Math.max(...names.map(({ name }) => name.length));
  const bands = names.map(({ name, words }) => `${name.padEnd(width)} ${words}`);
  const most = Math.max(...bands.map((band) => band.length));
  const lines = bands.map((band, i) => {
    const [open, close] = joints(i, bands.length);
    const [before, after] = i ? [' '.repeat(left.length), ''] : [left, right];
    return `${before}${open} ${band.padEnd(most)} ${close}${after}`;
  });
  if (paths.length > drawn.length)
    lines.push(`${' '.repeat(left.length + 3)}and ${paths.length - drawn.length} more`);
  const count = `${paths.length} WAN interface${paths.length > 1 ? 's' : ''}`;
  return [
    `A mobile node is switched on behind a MAG with ${count} (RFC 8278, figure 2).`,
    '',
    ...lines,
    '',
  ].join('\n');
}

function joints(index: number, count: number): readonly [string, string] {
  if (count === 1) return ['══', '══'];
  if (index === 0) return ['═╦', '╦═'];
  return index === count - 1 ? [' ╚', '╝'] : [' ╠', '╣'];
}

/** What the node has now, and what comes next. */
export function formatConfigured({ address6, lease }: ConfiguredHost): string {
  return [
    '',
    `The node has ${address6} (Router Advertisement)`,
    `         and ${lease.address}/${lease.prefixLength}, router ${lease.router}, MTU ${lease.mtu} (DHCPv4). Traffic from host to host:`,
    '',
  ].join('\n');
}
