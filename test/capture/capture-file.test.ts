/** Capture files in both formats, both byte orders, cut off anywhere; pcapng is written by tshark. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { type Frame, readCapture } from '../../src/capture/capture-file.ts';

const PCAP = readFileSync(new URL('../vectors/rfc8278/all.pcap', import.meta.url));
const frames = [...readCapture(PCAP)];

test('pcap', () => {
  expect(frames.length).toBeGreaterThan(60);
  expect(frames.map(({ number }) => number)).toEqual(frames.map((_, i) => i + 1));
  expect(new Set(frames.map(({ linkType }) => linkType))).toEqual(new Set([101]));
});

test('pcapng, as tshark writes it, holds the same frames', () => {
  const folder = mkdtempSync(`${tmpdir()}/tunloom-capture-`);
  try {
    const file = `${folder}/all.pcapng`;
    const source = new URL('../vectors/rfc8278/all.pcap', import.meta.url).pathname;
    const { status, stderr } = spawnSync('tshark', ['-r', source, '-F', 'pcapng', '-w', file], {
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, expect.any(String)]);
    const read = [...readCapture(readFileSync(file))];
    expect(read.map(({ octets }) => Buffer.from(octets).toString('hex'))).toEqual(
      frames.map(({ octets }) => Buffer.from(octets).toString('hex')),
    );
    for (const [i, { time }] of read.entries()) expect(time).toBeCloseTo(frames[i]!.time!, 5);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('pcap of the other byte order, with nanoseconds', () => {
  const octets = Buffer.alloc(24 + 16 + 3);
  octets.writeUInt32BE(0xa1b23c4d, 0);
  octets.writeUInt32BE(1, 20);
  octets.writeUInt32BE(7, 24);
  octets.writeUInt32BE(500_000_000, 28);
  octets.writeUInt32BE(3, 32);
  octets.writeUInt32BE(60, 36);
  octets.set([1, 2, 3], 40);
  expect([...readCapture(octets)]).toEqual([
    { number: 1, time: 7.5, linkType: 1, octets: octets.subarray(40), originalLength: 60 },
  ]);
});

test('a file that is cut off gives every whole frame, then names the octet', () => {
  const first = 24 + 16 + frames[0]!.octets.length;
  for (let length = 24; length < first + 40; length++) {
    const read: Frame[] = [];
    let fault: unknown;
    try {
      for (const frame of readCapture(PCAP.subarray(0, length))) read.push(frame);
    } catch (error) {
      fault = error;
    }
    expect(read.length).toBe(length < first ? 0 : 1);
    if (length === 24 || length === first) expect(fault).toBeUndefined();
    else expect(fault).toMatchObject({ code: 'BAD_CAPTURE', message: expect.stringMatching(/^octet \d+: /) });
  }
});
