/** What the receiver acknowledges, and when. */
import { expect, it } from 'vitest';
import { EventLoop } from '../../src/sim/event-loop.ts';
import { TcpReceiver } from '../../src/sim/traffic/tcp-receiver.ts';

const QUICK = 16;

function testReceiver() {
  const loop = new EventLoop();
  const sent: { at: number; cumulative: number; blocks: readonly (readonly [number, number])[] }[] = [];
  const echoes: number[] = [];
  const receiver = new TcpReceiver(loop, 0, (cumulative, echo, _window, blocks) => {
    sent.push({ at: loop.now, cumulative, blocks });
    echoes.push(echo);
  });
  /** Each argument is a burst: segments from the first up to, but not including, the second. */
  const take = (...ranges: [number, number][]): (typeof sent)[number][] => {
    const before = sent.length;
    for (const [first, end] of ranges) {
      for (let segment = first; segment < end; segment++) receiver.receive(segment, 0, 0, loop.now);
      receiver.burstOver(loop.now);
    }
    return sent.slice(before);
  };
  /** Past the acknowledgements that Linux sends at once at the start. */
  const warmUp = (): number => {
    for (let segment = 0; segment < QUICK; segment++) take([segment, segment + 1]);
    return QUICK;
  };
  return { loop, receiver, sent, echoes, take, warmUp };
}

it('acknowledges a super-packet once, and one of more than 64 KiB twice', () => {
  const { take, receiver } = testReceiver();
  expect(take([0, 10])).toEqual([{ at: 0, cumulative: 10, blocks: [] }]);
  expect(take([10, 57]).map(({ cumulative }) => cumulative)).toEqual([56, 57]);
  expect(receiver.next).toBe(57);
});

it('acknowledges single segments every second time, or after 40 ms', () => {
  const { loop, sent, take, warmUp } = testReceiver();
  const next = warmUp();
  expect(take([next, next + 1])).toEqual([]);
  expect(take([next + 1, next + 2])).toHaveLength(1);
  expect(take([next + 2, next + 3])).toEqual([]);
  loop.run(Infinity);
  expect(sent.at(-1)).toEqual({ at: 40e6, cumulative: next + 3, blocks: [] });
});

it('tells at once of gaps, of their end, and of duplicates', () => {
  const { take, warmUp } = testReceiver();
  const n = warmUp();
  expect(take([n + 1, n + 3])).toMatchObject([{ cumulative: n, blocks: [[n + 1, n + 3]] }]);
  expect(take([n + 5, n + 6])).toMatchObject([
    {
      blocks: [
        [n + 5, n + 6],
        [n + 1, n + 3],
      ],
    },
  ]);
  expect(take([n + 3, n + 4])).toMatchObject([
    {
      blocks: [
        [n + 1, n + 4],
        [n + 5, n + 6],
      ],
    },
  ]);
  expect(take([n + 1, n + 2])).toMatchObject([
    {
      blocks: [
        [n + 1, n + 2],
        [n + 1, n + 4],
        [n + 5, n + 6],
      ],
    },
  ]);
  expect(take([n, n + 1])).toMatchObject([{ cumulative: n + 4, blocks: [[n + 5, n + 6]] }]);
  // A super-packet over a gap and what was known behind it.
  expect(take([n + 4, n + 8])).toMatchObject([{ cumulative: n + 8, blocks: [] }]);
});

it('echoes the timestamp of the segment that was waited for, and acknowledges other timestamps by themselves', () => {
  const { receiver, echoes, loop } = testReceiver();
  const take = (segment: number, stamp: number): void => receiver.receive(segment, stamp, 0, loop.now);
  take(0, 7);
  take(1, 7);
  take(2, 8);
  receiver.burstOver(0);
  expect(echoes).toEqual([7, 8]);
  // What came behind a hole is not echoed, what fills it is (RFC 7323 §4.3).
  take(4, 9);
  receiver.burstOver(0);
  take(3, 20);
  receiver.burstOver(0);
  expect(echoes).toEqual([7, 8, 8, 20]);
});
