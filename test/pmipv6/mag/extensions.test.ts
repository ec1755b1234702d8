/** The MAG: revocation, notification, heartbeats, parameters and metrics from the LMA, unknown messages. */
import { describe, expect, it } from 'vitest';
import { LOGICAL_NODE_DEFAULTS, type MagConfig, WAN_DEFAULTS } from '../../../src/pmipv6/mag/config.ts';
import type { Revocation } from '../../../src/pmipv6/wire/message/revocation.ts';
import { nai } from '../../../src/pmipv6/wire/option/identifier.ts';
import type { MobilityOption } from '../../../src/pmipv6/wire/options.ts';
import { HNP, LMAA, LTE, MagBench, MN, optionOf, type SentUpdate, WLAN } from '../../support/mag-bench.ts';

function twoPaths(config: Partial<MagConfig> = {}): MagBench {
  const bench = new MagBench(config);
  bench.answer(bench.up('lte', LTE)[0]!);
  bench.answer(bench.up('wlan', WLAN)[0]!);
  bench.take();
  return bench;
}

const bri = (options: MobilityOption[], rest: Partial<Revocation> = {}): Revocation => ({
  message: 'revocation',
  acknowledgement: false,
  code: 1,
  sequence: 77,
  flags: 0x8000,
  options: [{ option: 'mn-identifier', ...nai(MN) }, ...options],
  ...rest,
});
const bid = (n: number): MobilityOption => ({
  option: 'binding-identifier',
  bid: n,
  status: 0,
  simultaneous: false,
  priority: 0,
  careOfAddress: null,
});
const HERE = { address: LTE, port: null };

describe('MAG: RFC 5846 §9.1, revocation', () => {
  it('vector 044: BID 2 is gone, the answer says so, and it is not registered again', () => {
    const bench = twoPaths();
    const [bra] = bench.receive(bri([bid(2)]), HERE);
    expect(bra!.message).toMatchObject({ acknowledgement: true, code: 0, sequence: 77, flags: 0x8000 });
    expect(bench.bids()).toEqual([1]);
    expect(bench.pass(100_000)).toEqual([]);
    bench.event({ event: 'register' });
    expect(bench.updates().map((each) => each.interface)).toContain('wlan');
  });

  it('without BID: everything; denied until the operator or the node comes', () => {
    const bench = twoPaths();
    bench.receive(bri([]), HERE);
    expect(bench.installed.size + bench.grants.size).toBe(0);
    expect(bench.pass(600_000)).toEqual([]);
  });

  it('trigger 4, the node is at another MAG: until it shows itself here', () => {
    const bench = new MagBench({ logicalNodes: [] });
    bench.up('lte', LTE);
    const here = { event: 'attach', node: MN, interface: 'lan0', linkLayer: null, technology: 3 } as const;
    const attach = (): SentUpdate[] => {
      bench.event(here);
      return bench.updates();
    };
    bench.answer(attach()[0]!);
    expect(attach()).toEqual([]);
    bench.receive(bri([], { code: 4 }), HERE);
    expect(bench.installed.size + bench.grants.size).toBe(0);
    expect(bench.pass(600_000)).toEqual([]);
    bench.answer(attach()[0]!);
    expect(bench.bids()).toEqual([1]);
  });

  it('vector 047: G with trigger 128 takes all nodes', () => {
    const bench = twoPaths();
    const [bra] = bench.receive(bri([], { code: 128, flags: 0xa000, options: [] }), HERE);
    expect(bra!.message).toMatchObject({ code: 0, flags: 0xa000 });
    expect(bench.installed.size).toBe(0);
  });

  it('a repetition is answered as the first, and does not hit what came after', () => {
    const bench = twoPaths();
    bench.receive(bri([bid(2)]), HERE);
    bench.advance(2000);
    bench.event({ event: 'register' });
    for (const pbu of bench.updates()) bench.answer(pbu);
    expect(bench.bids()).toEqual([1, 2]);
    const [bra] = bench.receive(bri([bid(2)]), HERE);
    expect(bra!.message).toMatchObject({ code: 0 });
    expect(bench.bids()).toEqual([1, 2]);
  });

  it('trigger 7, out of sync: registered again at once', () => {
    const bench = twoPaths();
    bench.advance(2000);
    bench.receive(bri([], { code: 7 }), HERE);
    expect(bench.updates()).toHaveLength(2);
  });

  it.each([
    [
      '128 for a node that is not here',
      { options: [{ option: 'mn-identifier', ...nai('x@example.org') }] },
      128,
    ],
    ['128 for a BID that is not there', { options: [{ option: 'mn-identifier', ...nai(MN) }, bid(9)] }, 128],
    ['131 without MN-ID', { options: [] }, 131],
    ['133 for a global revocation of a trigger that we do not know', { flags: 0xa000, code: 129 }, 133],
    ['134 for a global revocation with a trigger of one node', { flags: 0xa000, code: 1 }, 134],
    ['134 without P', { flags: 0 }, 134],
    ['129 for V without an IPv4 address', { flags: 0xc000 }, 129],
  ] as const)('%s', (_, rest, code) => {
    const bench = twoPaths();
    const [bra] = bench.receive(bri([], rest as Partial<Revocation>), HERE);
    expect(bra!.message).toMatchObject({ acknowledgement: true, code });
    expect(bench.bids()).toEqual([1, 2]);
  });

  it('V: the home address alone is given up, if it is the node’s; another one does not exist (128)', () => {
    const bench = MagBench.joined(
      { logicalNodes: [{ ...LOGICAL_NODE_DEFAULTS, identity: MN, delegated: [], ipv4: true }] },
      { ipv4: { pool: '192.0.2.0/24', router: '192.0.2.1' } },
    );
    bench.up('lte', LTE);
    bench.pass(1000);
    const revoke = (prefix: string, sequence: number) => {
      const address = { option: 'ipv4-home-address-request', prefix } as const;
      const [bra] = bench.receive(bri([address], { flags: 0xc000, sequence }), HERE);
      return (bra!.message as Revocation).code;
    };
    expect(revoke('192.0.2.99/24', 1)).toBe(128);
    expect(bench.grants.get(MN)!.homeAddress).not.toBeNull();
    expect(revoke('192.0.2.2/24', 2)).toBe(0);
    expect(bench.grants.get(MN)!.homeAddress).toBeNull();
    expect(bench.grants.get(MN)!.homePrefixes).toHaveLength(1);
    expect(revoke('192.0.2.2/24', 3)).toBe(128);
  });

  it('from a stranger: nothing', () => {
    const bench = twoPaths();
    expect(bench.receive(bri([]), HERE, { address: '2001:db8:dead::1', port: null })).toEqual([]);
    expect(bench.bids()).toEqual([1, 2]);
  });
});

describe('MAG: RFC 7077 §5.2, update notification', () => {
  it('force re-registration: answered if asked to, then a PBU over each path', () => {
    const bench = twoPaths();
    bench.advance(2000);
    const sent = bench.receive(
      { message: 'update-notification', sequence: 5, reason: 1, flags: 0x8000, options: bri([]).options },
      HERE,
    );
    expect(sent.map(({ message }) => message.message)).toEqual([
      'update-notification-ack',
      'binding-update',
      'binding-update',
    ]);
    expect(sent[0]!.message).toMatchObject({ sequence: 5, status: 0 });
  });

  it('132 for a node that is not attached', () => {
    const bench = twoPaths();
    const options: MobilityOption[] = [{ option: 'mn-identifier', ...nai('x@example.org') }];
    const [upa] = bench.receive(
      { message: 'update-notification', sequence: 5, reason: 1, flags: 0x8000, options },
      HERE,
    );
    expect(upa!.message).toMatchObject({ status: 132 });
  });
});

describe('MAG: RFC 5847, heartbeats', () => {
  const requests = (bench: MagBench) => bench.take().filter(({ message }) => message.message === 'heartbeat');

  it('a request is answered with the restart counter', () => {
    const bench = new MagBench({ restartCounter: 9 });
    const [answer] = bench.receive(
      { message: 'heartbeat', response: false, unsolicited: false, sequence: 4, options: [] },
      HERE,
    );
    expect(answer!.message).toMatchObject({
      response: true,
      sequence: 4,
      options: [{ option: 'restart-counter', counter: 9 }],
    });
  });

  it('not to a legacy LMA: nobody knows that it could read them', () => {
    const bench = new MagBench();
    bench.answer(bench.up('lte', LTE)[0]!, { multipath: false });
    bench.pass(500_000);
    expect(requests(bench)).toEqual([]);
  });

  it('one a path and interval while there are bindings, none after them', () => {
    const bench = twoPaths();
    bench.pass(61_000);
    expect(requests(bench).map((each) => each.interface)).toEqual(['lte', 'wlan']);
    bench.event({ event: 'deregister' });
    bench.pass(300_000);
    expect(requests(bench)).toEqual([]);
    expect(bench.mag.idle).toBe(true);
  });

  it('Binding Error: never again', () => {
    const bench = twoPaths();
    bench.pass(61_000);
    bench.take();
    bench.receive({ message: 'binding-error', status: 2, homeAddress: '::', options: [] }, HERE);
    bench.pass(300_000);
    expect(requests(bench)).toEqual([]);
    expect(bench.bids()).toEqual([1, 2]);
  });

  function answerAll(bench: MagBench, counter: number, only?: string): void {
    for (const { message, from, to, interface: wan } of requests(bench)) {
      if (message.message !== 'heartbeat' || (only && wan !== only)) continue;
      const options: MobilityOption[] = [{ option: 'restart-counter', counter }];
      bench.receive({ ...message, response: true, options }, from, to);
    }
  }

  it('a changed restart counter: all bindings are void, discovery starts anew with the same prefix', () => {
    const bench = twoPaths();
    bench.pass(61_000);
    answerAll(bench, 1);
    bench.pass(60_000);
    answerAll(bench, 2);
    const [again, ...more] = bench.updates();
    expect(more).toEqual([]);
    expect(optionOf(again, 'home-network-prefix')!.prefix).toBe(HNP);
    expect(optionOf(again, 'mag-multipath-binding')!.overwrite).toBe(true);
    expect(bench.installed.size).toBe(0);
    expect(bench.grants.size).toBe(1);
    bench.answer(again!);
    for (const pbu of bench.updates()) bench.answer(pbu);
    expect(bench.bids()).toEqual([1, 2]);
  });

  it('the fourth missing answer in a row: the path is out of use and registered again', () => {
    const bench = twoPaths();
    bench.pass(61_000);
    answerAll(bench, 1);
    for (let i = 0; i < 3; i++) {
      bench.pass(60_000);
      answerAll(bench, 1, 'lte');
      expect(bench.bids()).toEqual([1, 2]);
    }
    bench.pass(60_000);
    answerAll(bench, 1, 'lte');
    bench.pass(60_000);
    expect(bench.bids()).toEqual([1]);
    expect(bench.updates().map((each) => each.interface)).toContain('wlan');
  });

  it('an LMA that has never answered one is taken for one that does not know them, not for dead', () => {
    const bench = twoPaths();
    bench.pass(400_000);
    expect(requests(bench)).toHaveLength(8);
    expect(bench.bids()).toEqual([1, 2]);
  });
});

describe('MAG: RFC 8127, LMA-Controlled MAG Parameters', () => {
  const parameters = (start: number, first: number): MobilityOption => ({
    option: 'lma-controlled-mag-parameters',
    registration: { start, firstRetransmission: first, maximumRetransmission: 16 },
    heartbeat: { interval: 30, retransmissionDelay: 5, maximumRetransmissions: 2 },
    others: [],
  });

  it('go before our own timers', () => {
    const bench = new MagBench();
    bench.answer(bench.up('lte', LTE)[0]!, { options: [parameters(25, 2)] });
    expect(bench.pass(29_000)).toEqual([]);
    bench.pass(2000);
    expect(bench.take().some(({ message }) => message.message === 'heartbeat')).toBe(true);
    bench.pass(500_000 - 31_500);
    expect(bench.updates()).toEqual([]);
    bench.pass(600);
    expect(bench.updates()).toHaveLength(1);
    bench.pass(1800);
    expect(bench.updates()).toEqual([]);
    bench.pass(300);
    expect(bench.updates()).toHaveLength(1);
  });

  it('a zero among them: the PBA is ignored', () => {
    const bench = new MagBench();
    bench.answer(bench.up('lte', LTE)[0]!, { options: [parameters(25, 0)] });
    expect(bench.installed.size).toBe(0);
    expect(bench.mag.statistics().ignored['impossible-parameters']).toBe(1);
  });
});

describe('MAG: RFC 5094, WAN metrics', () => {
  it('go out with each registration of their path; what the PBA says of the path reaches the data plane', () => {
    const metrics = { uplinkRate: 50e6, downlinkRate: 150e6, weight: 2 };
    const bench = new MagBench({
      interfaces: [{ ...WAN_DEFAULTS, name: 'lte', bid: 1, label: 11, technology: 8, metrics }],
    });
    const [pbu] = bench.up('lte', LTE);
    const option = optionOf(pbu, 'vendor-specific')!;
    expect(option).toMatchObject({ vendor: 32473, subtype: 1 });
    bench.answer(pbu!, { options: [option] });
    expect(bench.installed.get(MN)!.paths[0]!.metrics).toEqual(metrics);
  });
});

describe('MAG: RFC 6275 §9.2', () => {
  it('a message of unknown type: Binding Error 2, to the LMA only', () => {
    const bench = new MagBench();
    const unknown = { message: 'unknown', type: 99, data: new Uint8Array(2), options: [] } as const;
    expect(bench.receive(unknown, HERE)[0]!.message).toMatchObject({ message: 'binding-error', status: 2 });
    expect(bench.receive(unknown, HERE, { address: '2001:db8:dead::1', port: null })).toEqual([]);
    expect(LMAA).toBe('2001:db8:f::1');
  });
});
