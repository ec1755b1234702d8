/** The option `--bid`, which several commands have. */
import { TunloomError } from '../errors.ts';

/** The Binding Identifier (RFC 8278 §4.1) that `text` is. Throws BAD_OPTION. */
export function parseBid(text: string): number {
  const bid = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (bid < 1 || bid > 254) throw new TunloomError('BAD_OPTION', `--bid ${text}: expected 1..254`);
  return bid;
}
