/** `--link lte.delay=10ms,20ms`: a scenario once with each value, for figures over a property of a link. */
import { LINK_KEYS, type LinkKey, isLinkKey } from '../emulator/model/link-text.ts';
import { TunloomError } from '../errors.ts';
import type { ScenarioFile } from './scenario-schema.ts';

export interface LinkChange {
  /** Name of the path. */
  readonly path: string;
  readonly key: LinkKey;
  readonly value: string;
}

/** What takes the place of what. */
const REPLACED: Readonly<Partial<Record<LinkKey, LinkKey>>> = {
  rate: 'trace',
  trace: 'rate',
  loss: 'burst-loss',
  'burst-loss': 'loss',
};

/** The changes of each variant; without any setting one variant, as it is written. Throws BAD_ARGUMENT. */
export function linkVariants(settings: readonly string[]): LinkChange[][] {
  let variants: LinkChange[][] = [[]];
  const seen = new Set<string>();
  for (const setting of settings) {
    const [, path = '', key = '', list = ''] = /^(.+)\.([^.=]+)=(.+)$/.exec(setting) ?? [];
    const refuse = (why: string): never => {
      throw new TunloomError('BAD_ARGUMENT', `--link ${setting}: ${why}`);
    };
    if (!isLinkKey(key))
      return refuse(`expected PATH.KEY=VALUE,VALUE... with one of ${LINK_KEYS.join(', ')}`);
    const name = `${path}.${key}`;
    if (seen.has(name)) refuse(`${name} is set already; give all values at once: ${name}=VALUE,VALUE`);
    seen.add(name);
    variants = variants.flatMap((before) =>
      list.split(',').map((value) => [...before, { path, key, value }]),
    );
  }
  return variants;
}

/** After the scenario's name. */
export function variantName(changes: readonly LinkChange[]): string {
  return changes.map(({ path, key, value }) => ` ${path}.${key}=${value}`).join('');
}

/** Throws BAD_ARGUMENT where the scenario has no such path. */
export function changeLinks(file: ScenarioFile, changes: readonly LinkChange[]): ScenarioFile {
  const names = file.paths.map(({ name, bid }) => name ?? `bid${bid}`);
  for (const { path, key } of changes) {
    if (names.includes(path)) continue;
    throw new TunloomError(
      'BAD_ARGUMENT',
      `--link ${path}.${key}: ${file.name} has no path "${path}"; there are ${names.join(', ')}`,
    );
  }
  const paths = file.paths.map((entry, i) => {
    const link = { ...entry.link };
    for (const { path, key, value } of changes) {
      if (path !== names[i]) continue;
      const replaced = REPLACED[key];
      if (replaced) delete link[replaced];
      link[key] = value;
    }
    return { ...entry, link };
  });
  return { ...file, name: file.name + variantName(changes), paths };
}
