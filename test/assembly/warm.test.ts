/** What a batch touches in advance where there are many sessions (assembly/pipeline/warm.ts) changes nothing of what is sent. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { BenchNode } from '../support/bench-node.ts';
import { innerPacket } from '../support/inner-packet.ts';
import { testSession } from '../support/session.ts';

const SESSIONS = 2100;

function node(): BenchNode {
  const made = new BenchNode('mag', { sessions: SESSIONS, paths: SESSIONS * 2, heap: 32 << 20 });
  for (let i = 0; i < SESSIONS; i++) {
    made.add(
      testSession({
        name: `mn${i}`,
        prefixes: [`2001:db8:0:${i.toString(16)}::/64`, ...(i < 256 ? [`192.0.2.${i}/32`] : [])],
        sendKey: i + 1,
        receiveKey: i + 1,
        resequencer: { window: 64, minWaitUs: 1000, maxWaitUs: 100_000, late: 'deliver', provenLoss: true },
      }),
    );
  }
  return made;
}

test('batches of packets of many sessions, unknown senders and garbage leave as they do among few', () => {
  const many = node();
  const few = node();
  few.memory.setControl(L.CONTROL_SESSION_COUNT, 1);
  expect(many.memory.control(L.CONTROL_SESSION_COUNT)).toBe(SESSIONS);
  const payload = new Uint8Array(40);
  const packet = fc.oneof(
    {
      weight: 8,
      arbitrary: fc
        .nat(SESSIONS - 1)
        .map((i) => innerPacket({ family: 6, payload, source: `2001:db8:0:${i.toString(16)}::1` })),
    },
    {
      weight: 4,
      arbitrary: fc.nat(255).map((i) => innerPacket({ family: 4, payload, source: `192.0.2.${i}` })),
    },
    fc.constant(innerPacket({ family: 6, payload, source: '2001:db8:ffff::1' })),
    fc.uint8Array({ maxLength: 60 }),
  );
  fc.assert(
    fc.property(fc.array(packet, { minLength: 1, maxLength: 150 }), (packets) => {
      expect(many.encapsulate(packets)).toEqual(few.encapsulate(packets));
      expect(many.drops).toEqual(few.drops);
    }),
    { numRuns: 100 },
  );
});
