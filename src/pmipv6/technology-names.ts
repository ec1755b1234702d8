/** Names of access technology types (RFC 5213 §8.5), with the names that people use for them. */
import { AccessTechnology } from './wire/numbers.ts';

export const TECHNOLOGIES: ReadonlyMap<string, number> = new Map([
  ...Object.entries(AccessTechnology).map(
    ([name, number]) => [name.toLowerCase().replaceAll('_', '-'), number] as const,
  ),
  ['lte', AccessTechnology.E_UTRAN],
]);

const NAMES = new Map([...TECHNOLOGIES].map(([name, number]) => [number, name]));

/** The name that people use, the number in digits if there is none. */
export function technologyName(number: number): string {
  return NAMES.get(number) ?? String(number);
}
