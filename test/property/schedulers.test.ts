/** Every scheduler picks the paths that its slow twin picks, packet by packet, for random paths, sizes, flows and pauses. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { SCHEDULERS, type SchedulerName } from '../../src/dataplane/distribution-spec.ts';
import { TWINS, type TwinPath } from '../reference/schedulers.ts';
import { DistributionBench } from '../support/distribution-bench.ts';

const paths = fc.array(
  fc.record({
    weight: fc.integer({ min: 1, max: 9 }),
    rate: fc.constantFrom(1e6, 8.7e6, 20e6, 100e6, 1e9),
    delayUs: fc.constantFrom(300, 1000, 8000, 30_000, 300_000),
    jitterUs: fc.constantFrom(0, 1000, 20_000),
  }),
  { minLength: 1, maxLength: 6 },
);
const traffic = fc.array(
  fc.record({
    length: fc.constantFrom(60, 576, 1000, 1400),
    flow: fc.integer({ min: 0, max: 5 }),
    pauseUs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 60_000 })),
  }),
  { minLength: 1, maxLength: 300 },
);

/** One worker alone writes shared words in another way than several (assembly/memory/shared.ts). */
const workers = fc.constantFrom(1, 2);

const PARAMETERS = { queueUs: 2000, peerWindow: 300, gapUs: 5000, seed: 42, burstUs: 20_000 };

describe.each(Object.keys(TWINS) as (keyof typeof TWINS & SchedulerName)[])('%s', (scheduler) => {
  test.each([true, false])('as its twin, estimates known: %s', (known) => {
    fc.assert(
      fc.property(paths, traffic, workers, (given, packets, count) => {
        const list = known ? given : given.map(({ weight, rate }, i) => (i ? { weight, rate } : { weight }));
        const bench = new DistributionBench(list, {
          scheduler,
          ...PARAMETERS,
          // A group even for weighted, which otherwise is the session's own schedule.
          sequence: scheduler === 'weighted' ? 'never' : 'auto',
        });
        const { memory } = bench.node;
        memory.setControl(L.CONTROL_WORKER_COUNT, count);
        const group = memory.u32[(configOf(bench) + L.CONFIG_GROUP) / 4]!;
        const twin = new TWINS[scheduler](
          list.map((path, i): TwinPath => {
            const member = group + L.GROUP_MEMBERS + i * L.MEMBER_STRIDE;
            const model = memory.path(i) + L.PATH_MODEL_BLOCK;
            const u32 = (at: number): number => memory.u32[at / 4]!;
            return {
              bid: i + 1,
              weight: path.weight,
              header: u32(u32(member + L.MEMBER_PATH) + L.PATH_HEADER_LENGTH),
              delay: u32(model + L.MODEL_DELAY) * 1000,
              jitter: u32(model + L.MODEL_JITTER) * 1000,
              octetTime: u32(model + L.MODEL_OCTET_TIME),
              rate: u32(member + L.MEMBER_RATE),
              burst: u32(member + L.MEMBER_CBS),
            };
          }),
          {
            queue: PARAMETERS.queueUs * 1000,
            window: PARAMETERS.peerWindow,
            gapTicks: Math.ceil(PARAMETERS.gapUs / 32),
            seed: BigInt(PARAMETERS.seed),
          },
        );
        packets.forEach(({ length, flow, pauseUs }, i) => {
          bench.node.now += pauseUs;
          const [picked] = bench.send(length, flow);
          expect(picked, `packet ${i}`).toBe(twin.pick(length, bench.node.now * 1000, BigInt(flow)));
        });
      }),
      { numRuns: 60 },
    );
  });
});

test('every scheduler but equal, flow-hash and redundant has a twin here', () => {
  expect(SCHEDULERS.filter((name) => !(name in TWINS))).toEqual(['equal', 'flow-hash', 'redundant']);
});

function configOf(bench: DistributionBench): number {
  const { memory } = bench.node;
  return memory.u32[(memory.session(0) + L.SESSION_CONFIG) / 4]!;
}
