/** The report: one HTML file that needs nothing else, light and dark, printable; the tables sort by a click on a heading. */
import { type Ranking, type Standing, intervalText, verdictText } from '../ranking.ts';
import { CHART_STYLE, escapeText } from './charts.ts';
import { colourNumbers, scenarioCharts, titleOf } from './scenario-charts.ts';

const STYLE = `
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--line:#d0d7de;--soft:#f4f6f8}
@media (prefers-color-scheme:dark){:root{--bg:#14181d;--fg:#e6e9ec;--line:#363d46;--soft:#1d232a}}
*{box-sizing:border-box}body{margin:0 auto;padding:1rem;max-width:84rem;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2.5rem;border-bottom:1px solid var(--line)}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;white-space:nowrap}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid var(--line)}th:first-child,td:first-child,td:last-child,th:last-child{text-align:left}
th{white-space:normal;vertical-align:bottom}th button{all:unset;cursor:pointer;font-weight:600}th button:focus-visible{outline:2px solid}th[aria-sort=ascending] button::after{content:" \\25b2"}th[aria-sort=descending] button::after{content:" \\25bc"}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,34rem),1fr));gap:1rem;margin-top:1rem}
figure{margin:0;padding:.5rem;background:var(--soft);border-radius:6px;break-inside:avoid}svg{width:100%;height:auto;display:block}
@media screen and (max-width:36rem){figure{overflow-x:auto}svg{width:34rem}}
@media print{:root{--bg:#fff;--fg:#000;--soft:#fff;color-scheme:light}h2{break-before:page}}`;

const SCRIPT = `
for (const table of document.querySelectorAll('table')) {
  for (const [column, heading] of [...table.tHead.rows[0].cells].entries()) {
    heading.querySelector('button').addEventListener('click', () => {
      const up = heading.getAttribute('aria-sort') === 'descending';
      for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
      heading.setAttribute('aria-sort', up ? 'ascending' : 'descending');
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        const order = x !== '' && y !== '' && !isNaN(x) && !isNaN(y) ? x - y : x.localeCompare(y);
        return up ? order : -order;
      });
      table.tBodies[0].append(...rows);
    });
  }
}`;

interface Column {
  readonly head: string;
  readonly value: (standing: Standing) => string | number;
  readonly text?: (standing: Standing) => string;
}

const number = (head: string, value: (standing: Standing) => number | null, digits: number): Column => ({
  head,
  value: (standing) => value(standing) ?? '',
  text: (standing) => value(standing)?.toFixed(digits) ?? '–',
});

const COLUMNS: readonly Column[] = [
  { head: 'Scheduler', value: titleOf },
  {
    head: 'Goodput, Mbit/s',
    value: ({ goodput }) => goodput.mean,
    text: ({ goodput }) => intervalText(goodput, 2),
  },
  number('Efficiency, %', ({ efficiency }) => 100 * efficiency, 1),
  number('Delay p50, ms', ({ delay50 }) => delay50, 1),
  number('p99, ms', ({ delay99 }) => delay99, 1),
  number('Reordered before, %', ({ reorderedBefore }) => reorderedBefore, 2),
  number('after, %', ({ reorderedAfter }) => reorderedAfter, 3),
  number('Lost, %', ({ loss }) => loss, 3),
  number('Retransmits', ({ retransmits }) => retransmits, 0),
  number('Completion p50, ms', ({ completion50 }) => completion50, 0),
  {
    head: 'Against the best',
    value: ({ p }) => p,
    text: verdictText,
  },
];

export function renderPage(rankings: readonly Ranking[]): string {
  const colours = colourNumbers(rankings);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>tunloom compare</title>
<style>${STYLE}${CHART_STYLE}</style>
</head>
<body>
<h1>tunloom compare</h1>
<p>Simulated on tunloom's own hot path. Bars and ± are means and 95 % intervals over seeds; schedulers are compared with the best of
the scenario seed by seed (mean difference and its 95 % interval; sign-flip test, 5 %, corrected by Holm for all of them). Curves show the run with the first seed.</p>
${rankings.map((ranking) => section(ranking, colours)).join('\n')}
<script>${SCRIPT}</script>
</body>
</html>
`;
}

function section(ranking: Ranking, colours: ReadonlyMap<string, number>): string {
  const head = COLUMNS.map(
    ({ head }) => `<th scope="col"><button type="button">${escapeText(head)}</button></th>`,
  );
  const rows = ranking.standings.map((standing) => {
    const cells = COLUMNS.map(({ value, text }) => {
      const key = escapeText(String(value(standing)));
      return `<td data-value="${key}">${text ? escapeText(text(standing)) : key}</td>`;
    });
    return `<tr>${cells.join('')}</tr>`;
  });
  const charts = scenarioCharts(ranking, colours).map(({ svg }) => `<figure>${svg}</figure>`);
  return `<section>
<h2>${escapeText(ranking.scenario)}</h2>
<div class="wide"><table><thead><tr>${head.join('')}</tr></thead><tbody>${rows.join('\n')}</tbody></table></div>
<div class="charts">${charts.join('\n')}</div>
</section>`;
}
