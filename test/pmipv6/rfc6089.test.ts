import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { flowAnswer, type FlowBinding } from '../../src/pmipv6/flow-binding.ts';
import { LOGICAL_NODE_DEFAULTS } from '../../src/pmipv6/mag/config.ts';
import type { BindingUpdate } from '../../src/pmipv6/wire/message/binding-update.ts';
import { decodeMessage } from '../../src/pmipv6/wire/mobility-header.ts';
import type { FlowIdentification } from '../../src/pmipv6/wire/option/flow-identification.ts';
import { timestampMilliseconds } from '../../src/pmipv6/wire/option/timestamp.ts';
import { findOption, findOptions, type MobilityOption } from '../../src/pmipv6/wire/options.ts';
import { LmaBench, LTE as LMA_LTE, WLAN as LMA_WLAN } from '../support/lma-bench.ts';
import { type Grant, LTE, MagBench, MN, type Sent, WLAN } from '../support/mag-bench.ts';

const tcp = (port: number) =>
  ({ family: 4, protocol: { start: 6, end: 6 }, sourcePort: { start: port, end: port } }) as const;
const flow = (n: number, bids: readonly number[], priority = n): FlowBinding => ({
  flow: n,
  priority,
  bids,
  selector: tcp(n),
});
const option = (binding: Partial<FlowIdentification>): FlowIdentification => ({
  option: 'flow-identification',
  flow: 1,
  priority: 1,
  status: 0,
  bids: null,
  selector: null,
  others: [],
  ...binding,
});
const summary = (...flows: number[]): MobilityOption => ({ option: 'flow-summary', flows });

// ---- the LMA

const PREFIX = '2001:db8:1000:1::/64';
const statuses = (ack: { options: readonly MobilityOption[] } | undefined) =>
  findOptions(ack?.options ?? [], 'flow-identification').map(({ flow, status }) => [flow, status]);

/** BIDs 1 and 2 registered. */
function lma(config: ConstructorParameters<typeof LmaBench>[0] = {}): LmaBench {
  const bench = new LmaBench(config, { identity: MN, homePrefixes: [PREFIX] });
  bench.send({ bid: 1, from: LMA_LTE });
  bench.send({ bid: 2, from: LMA_WLAN, prefixes: [PREFIX] });
  return bench;
}
const pbu = (bench: LmaBench, ...options: MobilityOption[]) =>
  bench.send({ bid: 1, from: LMA_LTE, prefixes: [PREFIX], handoff: 5, options });
const fids = (bench: LmaBench) => bench.installed.get(MN)?.flows?.map((each) => each.flow) ?? [];

function vector(name: string): BindingUpdate {
  const text = readFileSync(new URL(`../vectors/rfc8278/${name}.hex`, import.meta.url), 'utf8');
  // Behind the IPv6 header.
  return decodeMessage(
    new Uint8Array(Buffer.from(text.replace(/\s/g, ''), 'hex')).subarray(40),
  ) as BindingUpdate;
}

function feed(bench: LmaBench, name: string) {
  const update = vector(name);
  bench.now = { ...bench.now, utc: timestampMilliseconds(findOption(update.options, 'timestamp')!) };
  return bench.deliver(update, { from: LMA_LTE });
}

describe('LMA: RFC 6089 §5.3, flow bindings', () => {
  it('vector 030: flows 1 and 2 are installed, the unknown 7 and 9 of the summary answered by 132', () => {
    const bench = lma();
    bench.now = { ...bench.now, utc: 1_600_000_000_000 };
    const ack = feed(bench, '030_pbu_flow_v4');
    expect(ack!.status).toBe(0);
    expect(statuses(ack)).toEqual([
      [1, 0],
      [2, 0],
      [7, 132],
      [9, 132],
    ]);
    expect(bench.installed.get(MN)!.flows).toEqual([
      {
        flow: 1,
        priority: 10,
        bids: [1],
        selector: {
          family: 4,
          destination: { start: '10.9.8.7', end: '10.9.8.7' },
          destinationPort: { start: 80, end: 443 },
          protocol: { start: 6, end: 6 },
        },
      },
      expect.objectContaining({ flow: 2, priority: 20, bids: [1, 2] }),
    ]);
  });

  it('vector 032 after it: flow 3 is added, 1 and 2 are kept by the summary', () => {
    const bench = lma();
    feed(bench, '030_pbu_flow_v4');
    expect(statuses(feed(bench, '032_pbu_flow_unaligned'))).toEqual([[3, 0]]);
    expect(fids(bench)).toEqual([1, 2, 3]);
  });

  it('vector 031: its answers have the same form as ours', () => {
    const ack = vector('031_pba_flow_status');
    expect(findOptions(ack.options, 'flow-identification')).toEqual([
      flowAnswer(1, 10, 0),
      flowAnswer(2, 20, 131),
      flowAnswer(9, 1, 132),
    ]);
  });

  it('§5.3.4: an accepted PBU removes what it does not name, a rejected one nothing', () => {
    const bench = lma();
    pbu(bench, option(flow(1, [1])), option(flow(2, [2])));
    bench.send({ bid: 1, from: LMA_LTE, prefixes: [PREFIX], clock: 1000 });
    expect(fids(bench)).toEqual([1, 2]);
    pbu(bench, summary(2));
    expect(fids(bench)).toEqual([2]);
    bench.send({ bid: 2, from: LMA_WLAN, prefixes: [PREFIX], handoff: 5 });
    expect(fids(bench)).toEqual([]);
  });

  it('by FID-PRI', () => {
    const bench = lma();
    pbu(bench, option(flow(1, [1], 30)), option(flow(2, [1], 10)), option(flow(3, [1], 20)));
    expect(fids(bench)).toEqual([2, 3, 1]);
  });

  it.each([
    ['130 a new FID without selector', { selector: null }, 130],
    ['130 a new FID without BIDs', { bids: null }, 130],
    ['130 FID 0', { flow: 0 }, 130],
    ['130 FID-PRI 0', { priority: 0 }, 130],
    ['131 a BID that there is not', { bids: [1, 9] }, 131],
    [
      '133 an unknown selector format',
      { selector: { family: null, format: 9, data: new Uint8Array() } },
      133,
    ],
  ] as [string, Partial<FlowIdentification>, number][])('§4.2: %s', (_, wrong, status) => {
    const bench = lma();
    const ack = pbu(bench, option({ ...flow(1, [1]), ...wrong }));
    expect(ack!.status).toBe(0);
    expect(statuses(ack)).toEqual([[wrong.flow ?? 1, status]]);
    expect(fids(bench)).toEqual([]);
  });

  it('130 an option that cannot be read', () => {
    const data = new Uint8Array([0, 5, 0, 7, 0, 0, 2, 0]);
    expect(statuses(pbu(lma(), { option: 'malformed', type: 45, data, reason: '' }))).toEqual([[5, 130]]);
  });

  it('§5.3.2: the same FID twice in a message: both are rejected', () => {
    const bench = lma();
    expect(statuses(pbu(bench, option(flow(1, [1])), option(flow(1, [2]))))).toEqual([
      [1, 129],
      [1, 129],
    ]);
    expect(fids(bench)).toEqual([]);
  });

  it('129 a FID-PRI that another flow has', () => {
    const bench = lma();
    expect(statuses(pbu(bench, option(flow(1, [1], 5)), option(flow(2, [1], 5))))).toEqual([
      [1, 0],
      [2, 129],
    ]);
  });

  it('a known FID keeps what the option leaves out, and takes what it holds; FID-PRI always', () => {
    const bench = lma();
    pbu(bench, option(flow(1, [1])));
    pbu(bench, option({ flow: 1, priority: 9 }));
    expect(bench.installed.get(MN)!.flows).toEqual([{ ...flow(1, [1]), priority: 9 }]);
    pbu(bench, option({ flow: 1, priority: 9, bids: [2] }));
    expect(bench.installed.get(MN)!.flows![0]).toMatchObject({ bids: [2], selector: tcp(1) });
  });

  it('a refused change leaves the flow as it was', () => {
    const bench = lma();
    pbu(bench, option(flow(1, [1])));
    expect(statuses(pbu(bench, option(flow(1, [9]))))).toEqual([[1, 131]]);
    expect(bench.installed.get(MN)!.flows![0]).toMatchObject({ bids: [1] });
  });

  it('§5.3.1: inactive while none of its BIDs is there; BIDs that are not there are passed over', () => {
    const bench = lma();
    pbu(bench, option(flow(1, [2])), option(flow(2, [1, 2])));
    bench.send({
      bid: 2,
      from: LMA_WLAN,
      prefixes: [PREFIX],
      handoff: 4,
      lifetime: 0,
      options: [summary(1, 2)],
    });
    expect(bench.installed.get(MN)!.flows).toMatchObject([{ flow: 2, bids: [1] }]);
    bench.send({ bid: 2, from: LMA_WLAN, prefixes: [PREFIX], options: [summary(1, 2)] });
    expect(bench.installed.get(MN)!.flows).toMatchObject([{ bids: [2] }, { bids: [1, 2] }]);
  });

  it('the end of the session, or a PBU without MMB, ends the flows', () => {
    const bench = lma();
    pbu(bench, option(flow(1, [1])));
    bench.send({ from: LMA_LTE, prefixes: [PREFIX], handoff: 5, options: [summary(1)] });
    bench.send({ bid: 1, from: LMA_LTE, prefixes: [PREFIX] });
    expect(fids(bench)).toEqual([]);
  });

  it('off: as an LMA that does not know them; prohibited: 128; too many: 129', () => {
    expect(statuses(pbu(lma({ flowBindings: 'off' }), option(flow(1, [1]))))).toEqual([]);
    expect(statuses(pbu(lma({ flowBindings: 'prohibited' }), option(flow(1, [1]))))).toEqual([[1, 128]]);
    expect(statuses(pbu(lma({ maxFlows: 1 }), option(flow(1, [1])), option(flow(2, [1]))))).toEqual([
      [1, 0],
      [2, 129],
    ]);
  });
});

// ---- the MAG

const FLOWS = [flow(1, [1]), flow(2, [1, 2])];
const withFlows = (flows = FLOWS) => ({
  logicalNodes: [{ ...LOGICAL_NODE_DEFAULTS, identity: MN, delegated: [], flows }],
});
const defined = (sent: Sent | undefined) =>
  findOptions(sent?.message.options ?? [], 'flow-identification').map((each) => each.flow);
const kept = (sent: Sent | undefined) => findOption(sent?.message.options ?? [], 'flow-summary')?.flows;

/** Answers all PBUs, each of their flows with the status of `refused`, or 0. */
function serve(bench: MagBench, refused: Record<number, number> = {}, more: Grant = {}): Sent[] {
  const all: Sent[] = [];
  for (let round = bench.updates(); round.length; round = bench.updates()) {
    for (const each of round) {
      all.push(each);
      const options = findOptions(each.message.options, 'flow-identification').map((asked) =>
        flowAnswer(asked.flow, asked.priority, refused[asked.flow] ?? 0),
      );
      bench.answer(each, { ...more, options: [...options, ...(more.options ?? [])] });
      bench.pass(400);
    }
  }
  return all;
}

function mag(refused: Record<number, number> = {}, flows = FLOWS): { bench: MagBench; sent: Sent[] } {
  const bench = new MagBench(withFlows(flows));
  bench.up('lte', LTE);
  const sent = serve(bench, refused);
  bench.up('wlan', WLAN);
  sent.push(...serve(bench, refused));
  return { bench, sent };
}

describe('MAG: RFC 6089 §5.2, flow bindings', () => {
  it('a flow is defined once all of its paths stand, and named by every PBU from then on', () => {
    const { bench, sent } = mag();
    expect(sent.map((each) => [each.interface, defined(each), kept(each)])).toEqual([
      ['lte', [], undefined],
      ['lte', [1], undefined],
      ['wlan', [2], [1]],
    ]);
    expect(bench.installed.get(MN)!.flows).toEqual(FLOWS);
    bench.pass(600_000);
    const later = bench.updates();
    expect(later.length).toBeGreaterThan(2);
    for (const each of later) expect([defined(each), kept(each)]).toEqual([[], [1, 2]]);
  });

  it('bulk re-registrations and de-registrations of a path name them too', () => {
    const { bench } = mag();
    const [bulk] = bench.pass(561_000);
    expect(findOption(bulk!.message.options, 'mag-multipath-binding')!.bulk).toBe(true);
    expect(kept(bulk)).toEqual([1, 2]);
    bench.answer(bulk!);
    bench.take();
    bench.down('wlan');
    const [farewell] = bench.updates();
    expect(farewell!.message.lifetime).toBe(0);
    expect(kept(farewell)).toEqual([1, 2]);
    expect(bench.installed.get(MN)!.flows).toMatchObject([{ bids: [1] }, { bids: [1] }]);
  });

  it('what the LMA refuses is not used and not asked for again', () => {
    const { bench } = mag({ 1: 129 });
    expect(bench.installed.get(MN)!.flows).toMatchObject([{ flow: 2 }]);
    expect(bench.logs().join('\n')).toContain('flow 1 refused, status 129');
    bench.pass(580_000);
    for (const each of bench.updates()) expect(defined(each)).toEqual([]);
  });

  it('132 for a flow of the summary: it is defined again', () => {
    const { bench } = mag();
    let [refresh] = bench.updates();
    while (!refresh) [refresh] = bench.pass(500);
    bench.take();
    bench.answer(refresh, { options: [flowAnswer(2, 1, 132)] });
    const [again] = bench.updates();
    expect([defined(again), kept(again)]).toEqual([[2], [1]]);
    expect(bench.installed.get(MN)!.flows).toMatchObject([{ flow: 1 }]);
  });

  it('§5.2.6: a PBA without the option: the LMA does not know flows, and hears of them no more', () => {
    const bench = new MagBench(withFlows());
    bench.answer(bench.up('lte', LTE)[0]!);
    bench.pass(1000);
    for (const each of bench.updates()) if (defined(each).length) bench.answer(each);
    const pbus = [...bench.up('wlan', WLAN), ...bench.pass(600_000)];
    for (const each of pbus) expect([defined(each), kept(each)]).toEqual([[], undefined]);
    expect(bench.installed.get(MN)?.flows).toBeUndefined();
  });

  it('add, change and remove by the operator, at once', () => {
    const { bench } = mag();
    const changed = { ...flow(2, [2]), priority: 7 };
    bench.event({ event: 'flows', node: MN, flows: [changed, flow(3, [1])] });
    const [one] = bench.updates();
    expect([defined(one), kept(one)]).toEqual([[2, 3], undefined]);
    bench.answer(one!, { options: [flowAnswer(2, 7, 0), flowAnswer(3, 3, 0)] });
    expect(bench.installed.get(MN)!.flows).toEqual([flow(3, [1]), changed]);
    expect(bench.pass(100_000)).toEqual([]);
    bench.event({ event: 'flows', node: MN, flows: [changed, flow(3, [1])] });
    expect(bench.updates()).toEqual([]);
  });

  it('a re-read configuration changes the flows of nodes that are there, and of those that come', () => {
    const { bench } = mag();
    const nodes = bench.config.nodes.map((node) => ({ ...node, flows: [flow(9, [1])] }));
    const logicalNodes = bench.config.logicalNodes.map((node) => ({ ...node, flows: [flow(3, [1])] }));
    bench.reconfigure({ nodes, logicalNodes });
    expect(bench.updates().map((each) => [defined(each), kept(each)])).toEqual([[[3], undefined]]);
    bench.event({
      event: 'attach',
      node: 'mn2@example.org',
      interface: 'lan0',
      linkLayer: null,
      technology: 3,
    });
    serve(bench);
    expect(bench.installed.get('mn2@example.org')!.flows).toEqual([flow(9, [1])]);
    expect(bench.status().flows).toMatchObject([{ flow: 3, state: 'granted' }]);
  });

  it('without multipath there are none', () => {
    const bench = new MagBench({ ...withFlows(), multipath: false });
    const [only] = bench.up('lte', LTE);
    expect(defined(only)).toEqual([]);
  });

  it('no more than eight definitions a PBU, the rest in the next', () => {
    const many = Array.from({ length: 20 }, (_, i) => flow(i + 1, [1]));
    const { bench, sent } = mag({}, many);
    expect(sent.map((each) => defined(each).length)).toEqual([0, 8, 8, 4, 0]);
    expect(bench.installed.get(MN)!.flows).toHaveLength(20);
  });
});

describe('MAG and LMA: RFC 6089 together', () => {
  const flows = (bench: MagBench) => [...bench.lma!.sessions()][0]!.flows;

  it('both have the same; a revoked path takes only its own flows out of use', () => {
    const bench = MagBench.joined(withFlows());
    bench.up('lte', LTE);
    bench.up('wlan', WLAN);
    bench.pass(5000);
    expect(bench.installed.get(MN)!.flows).toEqual(FLOWS);
    expect([...flows(bench).values()]).toEqual(FLOWS);
    bench.pass(7_200_000);
    expect(bench.installed.get(MN)!.flows).toEqual(FLOWS);
    expect(flows(bench).size).toBe(2);
    bench.revoke(MN, 1);
    expect(bench.installed.get(MN)!.flows).toMatchObject([{ flow: 2, bids: [2] }]);
    bench.event({ event: 'flows', node: MN, flows: [] });
    bench.pass(1000);
    expect(flows(bench).size).toBe(0);
  });
});
