/**
 * Parts of a document that a bench writes: between `<!-- bench:system NAME -->` and `<!-- end -->`. So a run brings
 * docs/performance.md up to date, and no figure is copied by hand.
 */

/** The document with the content of section `name` of a bench replaced; null if it has no such section. */
export function replaceSection(
  document: string,
  name: string,
  content: string,
  bench = 'bench:system',
): string | null {
  const start = `<!-- ${bench} ${name} -->`;
  const end = '<!-- end -->';
  const from = document.indexOf(start);
  const to = from < 0 ? -1 : document.indexOf(end, from);
  if (to < 0) return null;
  return `${document.slice(0, from + start.length)}\n\n${content.trim()}\n\n${document.slice(to)}`;
}

/** The document with all sections replaced that it has; a document without any is all of them, one after the other. */
export function replaceSections(document: string, sections: ReadonlyMap<string, string>): string {
  let result = document;
  let found = false;
  for (const [name, content] of sections) {
    const replaced = replaceSection(result, name, content);
    if (replaced === null) continue;
    result = replaced;
    found = true;
  }
  return found ? result : `${[...sections.values()].join('\n\n')}\n`;
}
