/** What commands print: tables for people, JSON for programs, errors for both. */
import Table from 'cli-table3';
import type { Command } from 'commander';
import { TunloomError } from '../errors.ts';
import { SystemCallError } from '../net/errno.ts';

const EPERM = 1;

const NO_LINES = Object.fromEntries(
  ['top', 'mid', 'bottom']
    .flatMap((row) => [row, `${row}-mid`, `left-${row}`, `right-${row}`, `${row}-left`, `${row}-right`])
    .concat('left', 'right')
    .map((name) => [name, '']),
) as Record<string, string>;

/** A column of a table that may be left out. */
export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => string | number;
  /** Shown only if all is wanted, or only if not all is; left out: always. */
  readonly only?: 'wide' | 'narrow';
}

/** A table of those columns that are wanted: for a terminal of some 100 columns, or all of them. */
export function formatColumns<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  wide: boolean,
): string {
  const shown = columns.filter(({ only }) => only === undefined || (only === 'wide') === wide);
  return formatTable(
    shown.map(({ head }) => head),
    rows.map((row) => shown.map(({ cell }) => cell(row))),
  );
}

/** A table without colours, frames and lines; numbers stand right. */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const table = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 0 },
    chars: { ...NO_LINES, middle: '  ' },
    colAligns: head.map((_, column) => (typeof rows[0]?.[column] === 'number' ? 'right' : 'left')),
  });
  for (const row of rows) table.push([...row]);
  return table.toString().replaceAll(/ +$/gm, '');
}

/** Prints JSON or text. */
export function print(json: boolean, value: unknown, text: () => string): void {
  process.stdout.write(`${json ? JSON.stringify(value, null, 2) : text()}\n`);
}

const WATCH_MS = 1000;

/** Prints what `read` gives once, or with `watch` every second: in the place of what was there on a terminal, and JSON as a line each. */
export async function printCurrent<T>(
  { json = false, watch = false }: { readonly json?: boolean; readonly watch?: boolean },
  read: () => Promise<T>,
  text: (value: T) => string,
): Promise<void> {
  for (;;) {
    const value = await read();
    if (watch && json) process.stdout.write(`${JSON.stringify(value)}\n`);
    else {
      if (watch && process.stdout.isTTY) process.stdout.write('\u001b[2J\u001b[H');
      print(json, value, () => text(value));
    }
    if (!watch) return;
    await new Promise((resolve) => {
      setTimeout(resolve, WATCH_MS);
    });
  }
}

/** The control socket that the command line or the environment names. */
export function socketOf(command: Command): string {
  return command.optsWithGlobals<{ socket: string }>().socket;
}

/** Octets in decimal units, three digits: 999 B, 1.50 kB, 12.3 MB. */
export function formatOctets(octets: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = octets;
  let unit = 0;
  // 999.5 would be rounded to four digits.
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit]}`;
}

/** Seconds as the two largest units: 42 s, 3 min 5 s, 2 h 0 min, 12 d 4 h. */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

/** Exit status for an error: 2 for what the user wrote, 1 for the rest. */
export function reportError(error: unknown): number {
  const message = error instanceof Error ? error.message : String(error);
  const permission = error instanceof SystemCallError && error.errno === EPERM;
  const hint = permission ? '; CAP_NET_ADMIN or CAP_NET_RAW is missing (docs/install.md)' : '';
  process.stderr.write(`tunloom: ${message.replaceAll('\n', '\ntunloom: ')}${hint}\n`);
  if (process.env['TUNLOOM_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  return error instanceof TunloomError && error.code.startsWith('BAD_') ? 2 : 1;
}
