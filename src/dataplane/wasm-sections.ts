/** What a WebAssembly module consists of, to hold it to the hot-path law. */

/** A section with static data. */
export const DATA_SECTION = 11;

/** Ids of a module's sections (WebAssembly core specification, 5.5.2). */
export function sectionIds(bytes: Uint8Array): number[] {
  const ids: number[] = [];
  let at = 8;
  while (at < bytes.length) {
    ids.push(bytes[at++]!);
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const octet = bytes[at++]!;
      size |= (octet & 127) << shift;
      if (octet < 128) break;
    }
    at += size;
  }
  return ids;
}
