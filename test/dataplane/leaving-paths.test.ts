/** Paths that come and go while packets are on their way: what was sent by one that is given up, or by one that is new, is neither lost nor misordered. */
import { expect, test } from 'vitest';
import { BenchNode, type SentPacket } from '../support/bench-node.ts';
import { innerPacket } from '../support/inner-packet.ts';
import { mirrored, testPath, testSession } from '../support/session.ts';
import type { FlowRule } from '../../src/dataplane/distribution-spec.ts';
import { compileHotPath } from '../../src/dataplane/wasm.ts';

const both = testSession();
const one = testSession({ paths: [testPath(1)] });
const module = await compileHotPath();

interface Pair {
  readonly mag: BenchNode;
  readonly lma: BenchNode;
  /** Ends the time for which paths that were given up receive. */
  letGo(): void;
}

function pair(session = both): Pair {
  const lingering: (() => void)[] = [];
  const lma = new BenchNode('lma', {}, undefined, module, (letGo) => lingering.push(letGo));
  return {
    mag: new BenchNode('mag').add(session),
    lma: lma.add(mirrored(session)),
    letGo: () => lingering.splice(0).forEach((each) => each()),
  };
}

/** Sends packets that carry the numbers from `first` on. */
function send(mag: BenchNode, first: number, count: number): SentPacket[] {
  const packets = Array.from({ length: count }, (_, i) => {
    const payload = Uint8Array.of(first + i);
    return innerPacket({ family: 4, payload });
  });
  return mag.encapsulate(packets).sent;
}

function arrive(lma: BenchNode, packets: readonly SentPacket[]): number[] {
  return packets.flatMap(({ endpoint, bytes }) =>
    lma.decapsulate(endpoint, [bytes]).map((inner) => inner[28]!),
  );
}

test('what is on its way by a path that is given up is waited for and delivered in order', () => {
  const { mag, lma } = pair();
  const sent = send(mag, 0, 8);
  expect(arrive(lma, sent.slice(0, 4))).toEqual([0, 1, 2, 3]);
  lma.sessions.update(mirrored(one));
  // Of the path that stays, then of the one that goes.
  expect(arrive(lma, [sent[4]!, sent[6]!])).toEqual([4]);
  expect(arrive(lma, [sent[5]!, sent[7]!])).toEqual([5, 6, 7]);
  expect(lma.drops).toEqual({});
  expect(lma.resequencer()).toMatchObject({ late: 0, lostProven: 0, lostTimeout: 0 });
});

test('after a while it receives no more', () => {
  const { mag, lma, letGo } = pair();
  const sent = send(mag, 0, 4);
  lma.sessions.update(mirrored(one));
  letGo();
  arrive(lma, sent);
  expect(Object.values(lma.drops)).toEqual([2]);
  expect(lma.sessions.pathCount).toBe(1);
  // Its record, key and endpoint are free for another session.
  lma.grace.collect();
  const [, second] = mirrored(both).paths;
  lma.add(testSession({ name: 'mn2', prefixes: ['192.0.2.0/28'], receiveKey: 0x11111111, paths: [second!] }));
  letGo();
});

test('its key goes over at once to a path that needs it, of this session or of another', () => {
  for (const other of [false, true]) {
    const { mag, lma, letGo } = pair();
    const [first, second] = send(mag, 0, 2);
    expect(arrive(lma, [first!, second!])).toEqual([0, 1]);
    lma.sessions.update(mirrored(one));
    const [, path] = mirrored(both).paths;
    if (other) {
      const spec = { ...mirrored(both), name: 'mn2', prefixes: ['192.0.2.0/28'], paths: [path!] };
      lma.sessions.add(spec);
    } else {
      lma.sessions.update({ ...mirrored(both), paths: [mirrored(one).paths[0]!, { ...path!, bid: 3 }] });
    }
    letGo();
    lma.grace.collect();
    const [, fourth] = send(mag, 2, 2);
    arrive(lma, [fourth!]);
    const taker = lma.sessions.status(other ? 'mn2' : 'mn1').paths.at(-1)!;
    expect(taker.rxPackets).toBe(1);
  }
});

test('a session that is removed takes its leaving paths along', () => {
  const { mag, lma, letGo } = pair();
  const sent = send(mag, 0, 2);
  lma.sessions.update(mirrored(one));
  lma.sessions.remove('mn1');
  arrive(lma, sent);
  expect(Object.values(lma.drops)).toEqual([2]);
  lma.grace.collect();
  lma.add(mirrored(both));
  letGo();
  expect(arrive(lma, send(mag, 2, 2))).toEqual([2, 3]);
});

test('the first packets of a path that joins are waited for, long after it was announced', () => {
  const { mag, lma } = pair(one);
  expect(arrive(lma, send(mag, 0, 4))).toEqual([0, 1, 2, 3]);
  const [first, second] = mirrored(both).paths;
  lma.sessions.update({ ...mirrored(one), paths: [first!, { ...second!, weight: 0, receiveOnly: true }] });
  for (let i = 4; i < 44; i++) {
    lma.now += 10_000;
    expect(arrive(lma, send(mag, i, 1))).toEqual([i]);
  }
  mag.sessions.update(both);
  const sent = send(mag, 44, 4);
  // Later numbers of the path that has been there are no proof.
  const old = sent.filter(({ endpoint }) => endpoint === sent[0]!.endpoint);
  expect(arrive(lma, old)).toEqual([44]);
  expect(arrive(lma, [sent[1]!, sent[3]!])).toEqual([45, 46, 47]);
  expect(lma.resequencer()).toMatchObject({ late: 0, lostProven: 0 });
});

test('nothing is sent by a path that only receives, whatever rules say', () => {
  const flows: readonly FlowRule[] = [
    { priority: 1, name: 'all', selectors: [{ family: 4 }], action: { action: 'paths', bids: [2] } },
  ];
  const paths = [testPath(1), testPath(2, { weight: 0, receiveOnly: true })];
  const mag = new BenchNode('mag').add(testSession({ flows, paths }));
  const endpoints = new Set(send(mag, 0, 8).map(({ endpoint }) => endpoint));
  mag.sessions.update(testSession({ flows, paths: [testPath(1), testPath(2)] }));
  const later = new Set(send(mag, 8, 8).map(({ endpoint }) => endpoint));
  expect(endpoints.size).toBe(1);
  expect(later).not.toEqual(endpoints);
});
