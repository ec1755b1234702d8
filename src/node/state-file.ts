/** Files of the state directory, which have to outlive crashes. */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';

/** Written aside and moved: a crash leaves the old text or the new one, never half of one. Throws what node:fs throws. */
export function replaceFile(file: string, text: string): void {
  const aside = `${file}.new`;
  const descriptor = openSync(aside, 'w', 0o644);
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(aside, file);
}
