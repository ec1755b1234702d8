/** A bar chart of the result as SVG: TCP and 64-octet UDP of every scenario as parts of bare veth. */
import type { MetricKey } from './metric.ts';
import type { BenchResult, Figure, ScenarioResult } from './results.ts';

interface Panel {
  readonly key: MetricKey;
  readonly title: string;
  readonly format: (value: number) => string;
}

const PANELS: readonly Panel[] = [
  { key: 'tcp1', title: 'One TCP stream', format: (value) => `${value.toFixed(0)} Mbit/s` },
  { key: 'tcp8', title: 'Eight TCP streams', format: (value) => `${value.toFixed(0)} Mbit/s` },
  {
    key: 'udp64Paced',
    title: 'UDP, 64 octets, at most 1 % lost',
    format: (value) => `${thousands(value)} packets/s`,
  },
  {
    key: 'cpuMachine',
    title: 'CPU seconds a gigabyte (less is better)',
    format: (value) => `${value.toFixed(2)} s`,
  },
];

const COLOURS = { bare: '#8a8f98', tunloom: '#1f6feb', peer: '#d29922' } as const;
const WIDTH = 900;
const LABELS = 220;
const VALUES = 190;
const BAR = 14;
const ROW = 20;
const TITLE = 34;
const MARGIN = 16;

/** The whole chart; panels without any figure are left out. */
export function drawChart(result: BenchResult): string {
  const parts: string[] = [];
  let y = MARGIN;
  for (const panel of PANELS) {
    const rows = result.scenarios.flatMap((scenario) => {
      const figure = scenario.figures[panel.key];
      return figure ? [{ scenario, figure }] : [];
    });
    if (!rows.length) continue;
    parts.push(text(MARGIN, y + 16, panel.title, 'font-weight="bold"'));
    y += TITLE;
    const most = Math.max(...rows.map(({ figure }) => figure.most));
    for (const { scenario, figure } of rows) {
      parts.push(...drawRow(y, scenario, figure, most, panel));
      y += ROW;
    }
    y += MARGIN;
  }
  const { machine, runs } = result;
  const foot = `Medians of ${runs} on ${machine.cores} cores, Linux ${machine.kernel}; the line over a bar spans all runs.`;
  parts.push(text(MARGIN, y + 8, foot, 'fill="#57606a"'));
  const height = y + MARGIN + 8;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}"` +
      ' font-family="sans-serif" font-size="12">',
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function drawRow(y: number, scenario: ScenarioResult, figure: Figure, most: number, panel: Panel): string[] {
  const scale = (WIDTH - LABELS - VALUES - 2 * MARGIN) / (most || 1);
  const left = MARGIN + LABELS;
  const middle = y + BAR / 2;
  const ratio = figure.toBare !== null && scenario.kind !== 'bare' && panel.key !== 'cpuMachine';
  const label = panel.format(figure.median) + (ratio ? ` (${figure.toBare.toFixed(2)})` : '');
  return [
    text(left - 6, y + 11, scenario.name, 'text-anchor="end"'),
    `<rect x="${left}" y="${y}" width="${round(figure.median * scale)}" height="${BAR}" fill="${COLOURS[scenario.kind]}"/>`,
    `<path d="M${round(left + figure.least * scale)} ${middle}H${round(left + figure.most * scale)}" stroke="#24292f"/>`,
    text(round(left + figure.most * scale) + 6, y + 11, label),
  ];
}

function text(x: number, y: number, content: string, attributes = ''): string {
  const safe = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return `<text x="${x}" y="${y}" ${attributes}>${safe}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function thousands(value: number): string {
  return value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ',');
}
