/** Encapsulate then decapsulate is the identity, for every encapsulation, outer and inner family. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ENCAPSULATIONS } from '../../src/dataplane/session-spec.ts';
import { BenchNode } from '../support/bench-node.ts';
import { innerPacket } from '../support/inner-packet.ts';
import { mirrored, testPath, testSession } from '../support/session.ts';

for (const encapsulation of ENCAPSULATIONS) {
  for (const outer of [4, 6] as const) {
    for (const gre of [
      { key: true, sequence: true, checksum: false },
      { key: true, sequence: true, checksum: true },
      { key: false, sequence: false, checksum: false },
    ]) {
      if (!encapsulation.includes('gre') && (gre.checksum || gre.sequence)) continue;
      describe(`${encapsulation} over IPv${outer}, ${JSON.stringify(gre)}`, () => {
        const limit = outer === 6 && (encapsulation === 'gre' || encapsulation === 'ipip') ? 4 : null;
        const path = testPath(1, { family: outer, encapsulation, gre, encapsulationLimit: limit });
        const session = testSession({ paths: [path], clampMss: false });

        for (const family of [4, 6] as const) {
          test(`inner IPv${family} comes out as it went in`, () => {
            const mag = new BenchNode('mag').add(session);
            const lma = new BenchNode('lma').add(mirrored(session));
            const endpoint = encapsulation === 'ipip' && family === 6 ? 1 : 0;
            fc.assert(
              fc.property(
                fc.array(fc.uint8Array({ maxLength: 1300 }), { minLength: 1, maxLength: 20 }),
                fc.constantFrom(0, 0x02, 0xb8, 0xbb),
                (payloads, tos) => {
                  const packets = payloads.map((payload) => innerPacket({ family, payload, tos }));
                  const { sent } = mag.encapsulate(packets);
                  expect(sent.length).toBe(packets.length);
                  const out = lma.decapsulate(
                    endpoint,
                    sent.map((packet) => packet.bytes),
                  );
                  expect(out).toEqual(packets);
                },
              ),
              { numRuns: 50 },
            );
            expect(mag.drops).toEqual({});
            expect(lma.drops).toEqual({});
          });
        }
      });
    }
  }
}
