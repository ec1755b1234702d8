/** IP packets through tshark, field by field. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Values of tshark's `fields` for each packet; a field that occurs several times has its values joined by commas. `options` are further ones
 * of its command line.
 */
export function tsharkFields(
  packets: readonly Uint8Array[],
  fields: readonly string[],
  options: readonly string[] = [],
): Record<string, string>[] {
  const folder = mkdtempSync(join(tmpdir(), 'tunloom-'));
  try {
    const file = join(folder, 'packets.pcap');
    writeFileSync(file, pcap(packets));
    const checks = ['udp.check_checksum:TRUE', 'ip.check_checksum:TRUE'].flatMap((option) => ['-o', option]);
    const out = execFileSync(
      'tshark',
      [
        '-r',
        file,
        '-T',
        'fields',
        '-E',
        'separator=|',
        ...checks,
        ...options,
        ...fields.flatMap((field) => ['-e', field]),
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const lines = out.trimEnd().split('\n');
    return lines.map((line) => Object.fromEntries(line.split('|').map((value, i) => [fields[i]!, value])));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A classic pcap of LINKTYPE_RAW (101). */
function pcap(packets: readonly Uint8Array[]): Uint8Array {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(101, 20);
  const records = packets.map((packet) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(packet.length, 8);
    record.writeUInt32LE(packet.length, 12);
    return Buffer.concat([record, packet]);
  });
  return Buffer.concat([header, ...records]);
}
