/** The MAGs with bindings, kept in the state directory, so that they can be told of a restart (RFC 5847 §3.2). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { FormerPeer } from '../pmipv6/lma/restart-announcement.ts';
import { replaceFile } from './state-file.ts';

const endpoint = z.object({
  address: z.union([z.ipv4(), z.ipv6()]),
  port: z.int().min(1).max(65_535).nullable(),
});
const peers = z.array(z.object({ endpoint, local: endpoint }));

export class FormerPeers {
  readonly #file: string;
  #text = '';

  constructor(directory: string) {
    this.#file = join(directory, 'peers');
  }

  /** Those of the last run; none where there is no file. Throws if it cannot be read. */
  read(): FormerPeer[] {
    try {
      this.#text = readFileSync(this.#file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
    return peers.parse(JSON.parse(this.#text));
  }

  /** Writes the file if they are others than before. Throws what node:fs throws. */
  write(now: readonly FormerPeer[]): void {
    const text = `${JSON.stringify(now)}\n`;
    if (text === this.#text) return;
    replaceFile(this.#file, text);
    this.#text = text;
  }
}
