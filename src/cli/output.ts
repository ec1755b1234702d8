/** What commands print: tables for people, JSON for programs, errors for both. */
import Table from 'cli-table3';
import { TunloomError } from '../errors.ts';

/** A table without colours and frames; numbers stand right. */
export function formatTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const table = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true },
    chars: Object.fromEntries(
      ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'].map((key) => [
        key,
        '',
      ]),
    ) as Record<string, string>,
    colAligns: head.map((_, column) => (typeof rows[0]?.[column] === 'number' ? 'right' : 'left')),
  });
  for (const row of rows) table.push([...row]);
  return table.toString();
}

/** Prints JSON or text. */
export function print(json: boolean, value: unknown, text: () => string): void {
  process.stdout.write(`${json ? JSON.stringify(value, null, 2) : text()}\n`);
}

/** Exit status for an error: 2 for what the user wrote, 1 for the rest. */
export function reportError(error: unknown): number {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`tunloom: ${message.replaceAll('\n', '\ntunloom: ')}\n`);
  if (process.env['TUNLOOM_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  return error instanceof TunloomError && /^BAD_/.test(error.code) ? 2 : 1;
}
