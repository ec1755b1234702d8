/** Whatever messages a peer sends, to machines in the middle of their work: nothing is thrown, nothing runs away. */
import { expect, it } from 'vitest';
import { encodeMessage } from '../../src/pmipv6/wire/mobility-header.ts';
import { randomOf, readMessage, vectorMessages } from '../support/hostile-messages.ts';
import { LMAA, LTE, MagBench, WLAN } from '../support/mag-bench.ts';

it('60,000 mutated messages to both, vectors and their own', () => {
  const random = randomOf(0x8278);
  const bench = MagBench.joined();
  bench.up('lte', LTE);
  bench.up('wlan', WLAN);
  let understood = 0;
  for (let round = 0; round < 60_000; round++) {
    // Messages of the two themselves go deeper than vectors do.
    const own = bench.sent.at(-1 - random(8));
    const seed =
      own && random(2) ? encodeMessage(own.message) : vectorMessages[random(vectorMessages.length)]!;
    const octets = Uint8Array.from(seed);
    for (let n = random(4); n > 0; n--) octets[random(octets.length)] = random(256);
    const message = readMessage(octets);
    if (!message) continue;
    understood++;
    const [mag, lma] = [random(2) ? LTE : WLAN, LMAA].map((address) => ({ address, port: null }));
    if (random(2)) bench.receive(message, mag!, lma!);
    else bench.toLma({ message, from: mag!, to: lma!, interface: null });
    if (bench.sent.length > 64) bench.sent.splice(0, 32);
    bench.effects = [];
    if (random(4) === 0) bench.pass(random(20_000));
    if (random(500) === 0) bench.event({ event: 'register' });
  }
  expect(understood).toBeGreaterThan(20_000);
  // Sessions of the vectors' nodes and those that mutations invented end with their lifetimes.
  bench.event({ event: 'deregister' });
  bench.pass(8 * 3_600_000);
  expect([...bench.lma!.sessions()]).toEqual([]);
  expect(bench.lma!.prefixesInUse).toBe(0);
  expect(bench.mag.idle).toBe(true);
});
