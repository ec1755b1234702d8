/** The ladder's lines keep their columns, whatever the width and whatever is said. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Ladder } from '../../src/lab/ladder.ts';
import type { Column, SignalingLine } from '../../src/lab/report.ts';

function line(
  from: Column,
  to: Column,
  message: string,
  text: string,
  status: number | null = null,
): SignalingLine {
  return { time: 0.0123, from, to, message, bid: null, status, text };
}

test('figure 2 of RFC 8278 in 80 columns', () => {
  const ladder = new Ladder({ width: 80, colour: false });
  const lines = [
    ladder.heading(),
    ladder.line(line('mn', 'mag', 'RS', '')),
    ladder.line(line('mag', 'lma', 'PBU', 'BID 1 wan1')),
    ladder.line(line('lma', 'mag', 'PBA', 'accepted, HNP 2001:db8:cafe::/64, HoA 192.0.2.2', 0)),
    ladder.line(line('mag', 'lma', 'TUNNEL', 'wan1 udp-gre')),
    ladder.line(line('mag', 'mn', 'RA', '2001:db8:cafe::/64')),
  ];
  expect(lines).toEqual([
    '     time mobile node                 MAG                                    LMA',
    '  0.012 s │─ RS ─────────────────────▶│                                        │',
    '  0.012 s │                           │─ PBU BID 1 wan1 ──────────────────────▶│',
    '  0.012 s │                           │◀ PBA accepted, HNP 2001:db8:cafe::/6… ─│',
    '  0.012 s │                           ╞═════════════ wan1 udp-gre ═════════════╡',
    '  0.012 s │◀ RA 2001:db8:cafe::/64 ───│                                        │',
  ]);
});

test('lines are as long as the terminal is wide, within 80 and 120 columns, and never wrap', () => {
  const columns = fc.constantFrom<readonly [Column, Column]>(
    ['mn', 'mag'],
    ['mag', 'mn'],
    ['mag', 'lma'],
    ['lma', 'mag'],
  );
  const message = fc.constantFrom('RS', 'RA', 'PBU', 'PBA', 'TUNNEL', 'DHCPDISCOVER');
  const text = fc.string({ unit: 'grapheme-ascii', maxLength: 200 });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 400 }),
      columns,
      message,
      text,
      (width, [from, to], name, words) => {
        const wanted = Math.max(80, Math.min(120, width));
        const ladder = new Ladder({ width, colour: false });
        const ends = name === 'TUNNEL' ? (['mag', 'lma'] as const) : ([from, to] as const);
        expect(ladder.line(line(...ends, name, words))).toHaveLength(wanted);
        expect(ladder.heading().length).toBeLessThanOrEqual(wanted);
      },
    ),
  );
});
