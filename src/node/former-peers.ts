/** The MAGs with bindings, kept in the state directory, so that they can be told of a restart (RFC 5847 §3.2), each with its own key. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { FormerPeer } from '../pmipv6/lma/restart-announcement.ts';
import { replaceFile } from './state-file.ts';

const endpoint = z.object({
  address: z.union([z.ipv4(), z.ipv6()]),
  port: z.int().min(1).max(65_535).nullable(),
});
const spi = z.int().min(0).max(0xffff_ffff).optional();
const peers = z.array(z.object({ endpoint, local: endpoint, spi }));

export interface KeptPeer extends FormerPeer {
  /** Which of several keys it uses. */
  readonly spi?: number | undefined;
}

export class FormerPeers {
  readonly #file: string;
  #text = '';

  constructor(directory: string) {
    this.#file = join(directory, 'peers');
  }

  /** Those of the last run; none where there is no file. Throws if it cannot be read. */
  read(): KeptPeer[] {
    try {
      this.#text = readFileSync(this.#file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
    return peers.parse(JSON.parse(this.#text));
  }

  /** Writes the file if they are others than before. Throws what node:fs throws. */
  write(now: readonly KeptPeer[]): void {
    const text = `${JSON.stringify(now)}\n`;
    if (text === this.#text) return;
    replaceFile(this.#file, text);
    this.#text = text;
  }
}
