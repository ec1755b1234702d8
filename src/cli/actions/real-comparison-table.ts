/** What `tunloom compare --real` shows: simulated and real figures of every cell side by side. */
import type { Pair, RealComparison, TrafficComparison } from '../../compare/real.ts';
import { formatTable } from '../output.ts';

const HEAD = [
  'scenario',
  'scheduler',
  'traffic',
  'Mbit/s simulated',
  'real',
  'difference',
  '95 % of it',
  'rtx simulated / real',
  'loss % simulated / real',
  'delay p99 ms simulated / real',
  'done ms simulated / real',
];

type Medians = Pick<Pair, 'simulated' | 'real'>;

export function formatComparisons(comparisons: readonly RealComparison[]): string {
  const rows = comparisons.flatMap((comparison) => {
    const { scenario, scheduler, parameters, traffic } = comparison;
    const name = [scheduler, ...Object.entries(parameters).map(([key, value]) => `${key}=${value}`)].join(
      ' ',
    );
    const sole = traffic.length === 1;
    return [
      ...traffic.map((entry) => [
        scenario,
        name,
        describe(entry),
        ...goodput(entry.goodput),
        sole ? both(comparison.retransmits, 0) : '-',
        entry.lossRatio ? both(percent(entry.lossRatio), 2) : '-',
        entry.delay ? both(entry.delay.p99, 1) : '-',
        entry.completion ? both(entry.completion, 0) : '-',
      ]),
      ...(sole
        ? []
        : [
            [
              scenario,
              name,
              'all',
              ...goodput(comparison.goodput),
              both(comparison.retransmits, 0),
              '-',
              '-',
              '-',
            ],
          ]),
    ];
  });
  return formatTable(HEAD, rows);
}

function describe({ name, flows, model, direction }: TrafficComparison): string {
  return `${name}: ${flows > 1 ? `${flows} x ` : ''}${model}, ${direction}`;
}

function goodput(pair: Pair): string[] {
  const { simulated, real, difference, interval } = pair;
  return [
    (simulated / 1e6).toFixed(2),
    (real / 1e6).toFixed(2),
    difference === null ? '-' : `${signed(difference)} %`,
    interval ? `${signed(interval[0])} to ${signed(interval[1])} %` : '-',
  ];
}

function signed(share: number): string {
  return `${share > 0 ? '+' : ''}${(100 * share).toFixed(1)}`;
}

function percent({ simulated, real }: Medians): Medians {
  return { simulated: simulated * 100, real: real * 100 };
}

function both({ simulated, real }: Medians, digits: number): string {
  return `${simulated.toFixed(digits)} / ${real.toFixed(digits)}`;
}
