/** What a batch touches in advance where there are many sessions (assembly/pipeline/warm.ts) changes nothing of what is sent. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { encodeSockaddr, parseAddress } from '../../src/ip.ts';
import { BenchNode, type SentPacket } from '../support/bench-node.ts';
import { innerPacket } from '../support/inner-packet.ts';
import { mirrored, testPath, testSession } from '../support/session.ts';

const SESSIONS = 1100;

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

const UDP = { mode: L.MODE_UDP4, offload: L.ENDPOINT_OFFLOAD_SEGMENT | L.ENDPOINT_OFFLOAD_MERGE };
const one = testSession({ paths: [testPath(1)] });

/** Two nodes of the same session, of which the first believes that it has many. */
function twoReceivers(ports?: typeof UDP): [BenchNode, BenchNode] {
  const [many, few] = [0, 1].map(() => new BenchNode('lma', {}, ports).add(mirrored(one))) as [
    BenchNode,
    BenchNode,
  ];
  many.memory.setControl(L.CONTROL_SESSION_COUNT, SESSIONS);
  return [many, few];
}

test('what is received, whole, damaged or merged, is delivered as it is among few', () => {
  const inner = fc
    .nat(255)
    .map((i) => innerPacket({ family: 4, payload: new Uint8Array(60), source: `192.0.2.${i}` }));
  const damage = fc.option(fc.tuple(fc.nat(80), fc.nat(255)));
  fc.assert(
    fc.property(fc.array(fc.tuple(inner, damage), { minLength: 1, maxLength: 100 }), (some) => {
      const packets = some.map(([packet]) => packet);
      const damaged = (sent: readonly SentPacket[]): Uint8Array[] =>
        sent.map(({ bytes }, i) => {
          const [at, value] = some[i]![1] ?? [0, bytes[0]!];
          return bytes.with(at, value);
        });
      const [many, few] = twoReceivers();
      const whole = damaged(new BenchNode('mag').add(one).encapsulate(packets).sent);
      expect(many.decapsulate(0, whole)).toEqual(few.decapsulate(0, whole));
      expect(many.drops).toEqual(few.drops);

      const [manyMerged, fewMerged] = twoReceivers(UDP);
      const datagrams = damaged(new BenchNode('mag', {}, UDP).add(one).encapsulate(packets).sent);
      const payload = Uint8Array.from(datagrams.flatMap((bytes) => [...bytes]));
      const name = encodeSockaddr(parseAddress('198.51.100.1'), 5437).bytes;
      for (const node of [manyMerged, fewMerged]) node.receiveMessage(0, name, payload, datagrams[0]!.length);
      expect(manyMerged.deliveries()).toEqual(fewMerged.deliveries());
      expect(manyMerged.drops).toEqual(fewMerged.drops);
    }),
    { numRuns: 30 },
  );
});
