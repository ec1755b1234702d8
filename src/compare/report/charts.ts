/**
 * Charts as SVG text: bars with intervals, lines. Colours are classes (`c0` .. `c9`) and `currentColor`, so the page's light and dark
 * themes and print apply; lines differ in their dashes too, for print without colours. A chart on its own brings its style along.
 */

export interface Series {
  readonly name: string;
  /** Number of its colour: the same thing has the same one in all charts. */
  readonly colour: number;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Bar {
  readonly name: string;
  readonly colour: number;
  readonly value: number;
  readonly half: number | null;
}

interface ChartOptions {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** Logarithmic y axis from this value on: what is less lies on the axis. */
  readonly logFrom?: number;
}

const WIDTH = 640;
const HEIGHT = 324;
const LEFT = 64;
const RIGHT = 12;
/** Room for the title and two rows of legend above the plot. */
const TOP = 52;
const BOTTOM = 44;
const COLOURS = 10;
const LEGEND_COLUMN = 112;
/** Pixels of a line in a legend: two periods of the longest dashes. */
const LEGEND_LINE = 22;

const DASHES = ['none', '7 3', '3 2', '7 2 2 2', '11 3'];

/** Colours that differ in lightness too (after Okabe and Ito, 2008). */
export const CHART_STYLE = `
.chart{font:12px system-ui,sans-serif;color:inherit}
.chart text{fill:currentColor}.chart .grid{stroke:currentColor;opacity:.15}.chart .axis{stroke:currentColor;opacity:.6}
.chart .line{fill:none;stroke-width:1.8}.chart .whisker{stroke:currentColor;stroke-width:1.4}
${[
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#8a7f00',
  '#7a52cc',
  '#777777',
  '#a0522d',
]
  .map(
    (colour, i) =>
      `.chart .c${i}{stroke:${colour};fill:${colour}}.chart .line.c${i}{fill:none;stroke-dasharray:${DASHES[i % DASHES.length]}}`,
  )
  .join('\n')}`;

export function escapeText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** Round steps that divide 0..`highest` into about `wanted` parts. */
export function ticks(lowest: number, highest: number, wanted = 5): number[] {
  const range = highest - lowest || 1;
  const rough = range / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough)! * power;
  const first = Math.ceil(lowest / step - 1e-9);
  const count = Math.floor(highest / step + 1e-9) - first;
  return Array.from({ length: count + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

export function barChart(bars: readonly Bar[], options: ChartOptions): string {
  const highest = Math.max(...bars.map(({ value, half }) => value + (half ?? 0)), 1e-9) * 1.05;
  const y = (value: number): number => TOP + (1 - value / highest) * (HEIGHT - TOP - BOTTOM);
  const slot = (WIDTH - LEFT - RIGHT) / bars.length;
  const shapes = bars.map(({ name, colour, value, half }, i) => {
    const x = LEFT + i * slot + slot * 0.15;
    const middle = x + slot * 0.35;
    const whisker = half
      ? `<path class="whisker" d="M${n(middle)} ${n(y(Math.max(0, value - half)))}V${n(y(value + half))}M${n(middle - 5)} ${n(y(value + half))}h10M${n(middle - 5)} ${n(y(Math.max(0, value - half)))}h10"/>`
      : '';
    return (
      `<rect class="c${colour % COLOURS}" x="${n(x)}" y="${n(y(value))}" width="${n(slot * 0.7)}" height="${n(y(0) - y(value))}">` +
      `<title>${escapeText(name)}: ${value.toPrecision(4)}${half === null ? '' : ` ± ${half.toPrecision(2)}`}</title></rect>${whisker}` +
      `<text x="${n(middle)}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle" font-size="${bars.length > 8 ? 9 : 11}">${escapeText(name)}</text>`
    );
  });
  return frame(options, yGrid(ticks(0, highest), y) + shapes.join(''));
}

export function lineChart(series: readonly Series[], options: ChartOptions): string {
  const all = series.flatMap(({ points }) => points);
  if (!all.length) return '';
  const [left, right] = [Math.min(...all.map(([x]) => x)), Math.max(...all.map(([x]) => x))];
  const { logFrom } = options;
  const most = Math.max(...all.map(([, y]) => y), 1e-9);
  const highest = logFrom === undefined ? most * 1.05 : Math.max(most, 10 * logFrom);
  const x = (value: number): number => LEFT + ((value - left) / (right - left || 1)) * (WIDTH - LEFT - RIGHT);
  const part = (value: number): number =>
    logFrom === undefined
      ? value / highest
      : Math.log(Math.max(value, logFrom) / logFrom) / Math.log(highest / logFrom);
  const y = (value: number): number => TOP + (1 - part(value)) * (HEIGHT - TOP - BOTTOM);
  const rows = logFrom === undefined ? ticks(0, highest) : decades(logFrom, highest);
  const lines = series.map(({ name, colour, points }) => {
    const path = points.map(([px, py], at) => `${at ? 'L' : 'M'}${n(x(px))} ${n(y(py))}`);
    return `<path class="line c${colour % COLOURS}" d="${path.join('')}"><title>${escapeText(name)}</title></path>`;
  });
  const columns = ticks(left, right, 8).map(
    (value) =>
      `<path class="grid" d="M${n(x(value))} ${TOP}V${HEIGHT - BOTTOM}"/><text x="${n(x(value))}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${label(value)}</text>`,
  );
  const legend = series.map(({ name, colour }, i) => {
    const at = LEFT + (i % 5) * LEGEND_COLUMN;
    const row = 30 + Math.floor(i / 5) * 14;
    return `<path class="line c${colour % COLOURS}" d="M${at} ${row - 4}h${LEGEND_LINE}"/><text x="${at + LEGEND_LINE + 4}" y="${row}" font-size="10.5">${escapeText(name)}</text>`;
  });
  return frame(options, yGrid(rows, y) + columns.join('') + lines.join('') + legend.join(''));
}

function decades(from: number, to: number): number[] {
  const count = Math.floor(Math.log10(to / from) + 1e-9) + 1;
  return Array.from({ length: count }, (_, i) => Number((from * 10 ** i).toPrecision(12)));
}

/** A chart as a file of its own, in fonts that programs other than browsers know. */
export function standalone(svg: string): string {
  const style = CHART_STYLE.replace('system-ui', 'Helvetica,Arial');
  return svg.replace(
    '>',
    ` xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}"><style>${style}</style>`,
  );
}

function yGrid(values: readonly number[], y: (value: number) => number): string {
  return values
    .map(
      (value) =>
        `<path class="grid" d="M${LEFT} ${n(y(value))}H${WIDTH - RIGHT}"/><text x="${LEFT - 6}" y="${n(y(value) + 4)}" text-anchor="end">${label(value)}</text>`,
    )
    .join('');
}

function frame({ title, x, y }: ChartOptions, content: string): string {
  return (
    `<svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeText(title)}">` +
    `<text x="${LEFT}" y="16" font-weight="600">${escapeText(title)}</text>${content}` +
    `<path class="axis" d="M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}" fill="none"/>` +
    `<text x="${(WIDTH + LEFT) / 2}" y="${HEIGHT - 8}" text-anchor="middle">${escapeText(x)}</text>` +
    `<text transform="translate(14 ${(HEIGHT - BOTTOM + TOP) / 2}) rotate(-90)" text-anchor="middle">${escapeText(y)}</text></svg>`
  );
}

function n(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function label(value: number): string {
  return Math.abs(value) >= 1e6
    ? `${value / 1e6}M`
    : Math.abs(value) >= 1e4
      ? `${value / 1e3}k`
      : String(value);
}
