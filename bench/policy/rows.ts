/** The rows of the target table (issue 5): which links, which traffic, what is wanted. */
import type { SchedulerName } from '../../src/dataplane/distribution-spec.ts';
import { isolation } from './isolation.ts';
import { silentDeath } from './silent-death.ts';
import { stateChanges, transfer } from './transfer.ts';

export interface Setting {
  readonly paths: readonly string[];
  readonly weights: string;
  readonly adaptive?: boolean;
  readonly scheduler?: SchedulerName;
  /** Ends at which the paths are made equally long. */
  readonly equalDelay?: readonly ('mag' | 'lma')[];
}

/** What one run has found: figures by name. NaN: could not be measured. */
export type Figures = Readonly<Record<string, number>>;

export interface Row {
  readonly key: string;
  readonly title: string;
  readonly target: string;
  readonly setting: Setting;
  /** Congestion controls to run it with; none: it is not about TCP. */
  readonly congestion: readonly string[];
  readonly run: (setting: Setting, congestion: string) => Promise<Figures>;
  /** Whether the medians reach the target. */
  readonly reached: (figures: Figures) => boolean;
  /** Fewer runs than asked for, for what takes long. */
  readonly runs?: number;
}

const BOTH = ['cubic', 'bbr'] as const;
const FAST = 'a,rate=100mbit,delay=10ms';
const EVEN: Setting = { paths: [FAST, 'b,rate=50mbit,delay=10ms'], weights: '2:1' };
/** What docs/policy.md recommends for links of different delay. */
const UNEVEN = { scheduler: 'edpf', equalDelay: ['lma'] } as const;

/** A row about the goodput of TCP: `percent` of the sum of what the links can carry of it. */
function goodput(
  row: Pick<Row, 'key' | 'title' | 'setting'> & Partial<Row>,
  percent: number,
  options: { capacity: number; streams?: number; warmUp?: number; seconds?: number },
): Row {
  return {
    congestion: BOTH,
    target: `≥ ${percent} %`,
    run: async (setting, congestion) => ({ '%': await transfer(setting, congestion, options) }),
    reached: (figures) => figures['%']! >= percent,
    ...row,
  };
}

export const ROWS: readonly Row[] = [
  goodput({ key: 'even', title: '100 + 50 Mbit/s, 10 ms each, 2:1, one stream', setting: EVEN }, 93, {
    capacity: 150e6,
  }),
  goodput(
    {
      key: 'uneven',
      title: '100 Mbit/s 10 ms + 50 Mbit/s 50 ms',
      setting: { ...UNEVEN, paths: [FAST, 'b,rate=50mbit,delay=50ms'], weights: '2:1' },
    },
    85,
    { capacity: 150e6, seconds: 8 },
  ),
  goodput(
    {
      key: 'uneven-loss',
      title: 'the same, 1 % random loss on the slower path',
      setting: { ...UNEVEN, paths: [FAST, 'b,rate=50mbit,delay=50ms,loss=1%'], weights: '2:1' },
      congestion: ['bbr'],
    },
    80,
    { capacity: 150e6, seconds: 8 },
  ),
  goodput(
    {
      key: 'poor',
      title: '100 Mbit/s + 2 Mbit/s with 300 ms and 5 % loss, 1:1, adaptive: of the 100 Mbit/s path alone',
      setting: { paths: [FAST, 'b,rate=2mbit,delay=300ms,loss=5%'], weights: '1:1', adaptive: true },
    },
    95,
    { capacity: 100e6, warmUp: 3 },
  ),
  goodput({ key: 'streams', title: '100 + 50 Mbit/s, 8 streams', setting: EVEN }, 93, {
    capacity: 150e6,
    streams: 8,
  }),
  {
    key: 'death',
    title: '50 + 50 Mbit/s, a path dies silently in mid-transfer',
    target: 'goodput back within 500 ms, ≤ 400 ms of a 20 ms UDP flow lost',
    setting: { paths: ['a,rate=50mbit,delay=10ms', 'b,rate=50mbit,delay=10ms'], weights: '1:1' },
    congestion: BOTH,
    run: silentDeath,
    reached: (figures) => figures['back ms']! <= 500 && figures['UDP ms lost']! <= 400,
  },
  {
    key: 'isolation',
    title:
      '20 UDP flows, 1 % loss on one path, 20 ms between the paths: p99 of what losses in other flows add',
    target: '< 1.2 times the delay difference',
    setting: { paths: ['a,rate=50mbit,delay=10ms', 'b,rate=50mbit,delay=30ms'], weights: '1:1' },
    congestion: [],
    run: isolation,
    reached: (figures) =>
      figures['times, loss on the slow path']! < 1.2 && figures['times, loss on the fast path']! < 1.2,
  },
  goodput(
    {
      key: 'wrong-50',
      title: 'weights 1:1 on 100 + 50 Mbit/s, adaptive, after 10 s',
      setting: { ...EVEN, weights: '1:1', adaptive: true },
    },
    88,
    { capacity: 150e6, warmUp: 10, seconds: 5 },
  ),
  goodput(
    {
      key: 'wrong-20',
      title: 'weights 1:1 on 100 + 20 Mbit/s, adaptive, after 10 s',
      setting: { paths: [FAST, 'b,rate=20mbit,delay=10ms'], weights: '1:1', adaptive: true },
    },
    88,
    { capacity: 120e6, warmUp: 10, seconds: 5 },
  ),
  {
    key: 'steady',
    title: '100 + 50 Mbit/s, from idle to full: changes of state in 60 s',
    target: '0',
    setting: EVEN,
    congestion: ['cubic'],
    run: async (setting, congestion) => ({ changes: await stateChanges(setting, congestion, 60) }),
    reached: ({ changes }) => changes === 0,
    runs: 1,
  },
];
