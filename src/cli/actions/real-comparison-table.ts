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
  'rtx simulated / real',
  'loss % simulated / real',
  'done ms simulated / real',
];

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
  const { simulated, real, difference } = pair;
  return [
    (simulated / 1e6).toFixed(2),
    (real / 1e6).toFixed(2),
    difference === null ? '-' : `${difference > 0 ? '+' : ''}${(100 * difference).toFixed(1)} %`,
  ];
}

function percent({ simulated, real, difference }: Pair): Pair {
  return { simulated: simulated * 100, real: real * 100, difference };
}

function both({ simulated, real }: Pair, digits: number): string {
  return `${simulated.toFixed(digits)} / ${real.toFixed(digits)}`;
}
