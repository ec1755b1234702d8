/** Several MAGs behind one address, as a carrier's NAT has them: told apart by port and by the MAG Identifier that their keys stand for. */
import { describe, expect, it } from 'vitest';
import type { Message } from '../../../src/pmipv6/wire/mobility-header.ts';
import { RevocationFlag, type Revocation } from '../../../src/pmipv6/wire/message/revocation.ts';
import { nai } from '../../../src/pmipv6/wire/option/identifier.ts';
import { LMA_DEFAULTS, PROFILE_DEFAULTS } from '../../../src/pmipv6/lma/config.ts';
import { LmaMachine } from '../../../src/pmipv6/lma/machine.ts';
import { LmaBench, type Pbu } from '../../support/lma-bench.ts';

const NAT = '192.0.2.9';
const LMA4 = { address: '198.51.100.1', port: 5436 };
const BOX1 = { address: NAT, port: 10_001 };
const BOX2 = { address: NAT, port: 10_002 };

function pbu(site: string, box: string, port: number, more: Pbu = {}): Pbu {
  return {
    mn: `${site}@example.org`,
    mag: `${box}@example.org`,
    bid: 1,
    from: NAT,
    port,
    to: LMA4.address,
    ...more,
  };
}

function heartbeat(counter: number): Message {
  const options = [{ option: 'restart-counter', counter } as const];
  return { message: 'heartbeat', response: true, unsolicited: true, sequence: 0, options };
}

describe('LMA: several MAGs behind one address', () => {
  it('each has a Restart Counter of its own', () => {
    const bench = new LmaBench({ heartbeat: { intervalSeconds: 60, missingAllowed: 3 } });
    bench.send(pbu('site1', 'box1', BOX1.port));
    bench.send(pbu('site2', 'box2', BOX2.port));
    bench.message(heartbeat(3), BOX1, LMA4);
    bench.message(heartbeat(70), BOX2, LMA4);
    expect([...bench.installed.keys()]).toEqual(['site1@example.org', 'site2@example.org']);
    bench.pass(1000);
    bench.message(heartbeat(71), BOX2, LMA4);
    expect([...bench.installed.keys()]).toEqual(['site1@example.org']);
  });

  it('their address as a whole has one rate', () => {
    const bench = new LmaBench({ maxUpdatesPerSecond: 4 });
    const answers = Array.from({ length: 8 }, (_, i) => bench.send(pbu(`site${i}`, 'box1', 10_000 + i)));
    expect(answers.filter(Boolean)).toHaveLength(4);
    expect(bench.lma.statistics().ignored).toEqual({ 'rate-limit': 4 });
  });

  describe('nodes[].mags by MAG Identifier', () => {
    const machine = (): LmaMachine =>
      new LmaMachine({
        ...LMA_DEFAULTS,
        homePrefixPools: ['2001:db8:1000::/48'],
        mags: [{ prefix: '0.0.0.0/0', identity: null }],
        nodes: [
          {
            ...PROFILE_DEFAULTS,
            identity: 'site1@example.org',
            mags: ['box1@example.org', '203.0.113.0/24'],
          },
        ],
        randomKey: () => 7,
      });
    const now = { elapsed: 1000, utc: 1_700_000_000_000 };
    const bench = new LmaBench();
    const status = (
      lma: LmaMachine,
      update: Pbu,
      identity: string | null,
      from = BOX1,
    ): number | undefined => {
      const message = bench.build({ ...update, clock: null });
      const effects = lma.handle({ event: 'message', message, from, to: LMA4, identity }, now);
      const answer = effects.find((effect) => effect.effect === 'send')?.message;
      return answer?.message === 'binding-ack' ? answer.status : undefined;
    };

    it.each([
      ['the key is that of another', pbu('site1', 'box2', 1), 'box2@example.org', BOX1, 154],
      [
        'the key is that of another, and the MAG Identifier is left out',
        pbu('site1', '', 1, { mag: null }),
        'box2@example.org',
        BOX1,
        154,
      ],
      ['no key, another MAG Identifier', pbu('site1', 'box2', 1), null, BOX1, 154],
      ['no key, no MAG Identifier', { mn: 'site1@example.org' }, null, BOX1, 154],
      ['the right key', pbu('site1', 'box1', 1), 'box1@example.org', BOX1, 0],
      [
        'the right key without multipath, so without MAG Identifier',
        { mn: 'site1@example.org' },
        'box1@example.org',
        BOX1,
        0,
      ],
      ['the right address instead', pbu('site1', 'box2', 1), null, { address: '203.0.113.5', port: 5436 }, 0],
    ])('%s', (_what, update, identity, from, expected) => {
      expect(status(machine(), update, identity, from)).toBe(expected);
    });

    it('only its own MAG revokes a binding', () => {
      const lma = machine();
      expect(status(lma, pbu('site1', 'box1', 1), 'box1@example.org')).toBe(0);
      const revocation: Revocation = {
        message: 'revocation',
        acknowledgement: false,
        code: 0,
        sequence: 1,
        flags: RevocationFlag.PROXY,
        options: [{ option: 'mn-identifier', ...nai('site1@example.org') }],
      };
      const revoke = (identity: string): void => {
        lma.handle({ event: 'message', message: revocation, from: BOX1, to: LMA4, identity }, now);
      };
      revoke('box2@example.org');
      expect(lma.session('site1@example.org')?.bindings.size).toBe(1);
      revoke('box1@example.org');
      expect(lma.session('site1@example.org')).toBeUndefined();
    });
  });
});
