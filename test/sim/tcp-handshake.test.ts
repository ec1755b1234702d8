/** Opening of connections: both state machines against each other over a pipe that loses what the test says. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { EventLoop } from '../../src/sim/event-loop.ts';
import { type Control, TcpClient, TcpServer } from '../../src/sim/traffic/tcp-handshake.ts';

const MS = 1e6;
/** One way. */
const DELAY = 10 * MS;

/** `lost`: the packets that do not arrive, numbered from 0 in the order of their sending. */
function connect(lost: readonly number[], hasRequest: boolean) {
  const loop = new EventLoop();
  const sent: string[] = [];
  const client: { at: number; rtt: number | null }[] = [];
  const server: { at: number; rtt: number | null }[] = [];
  const requests: number[] = [];
  const deliver = (control: Control): void => {
    const number = sent.push(`${control} ${loop.now / MS}`) - 1;
    if (lost.includes(number)) return;
    const arrival = loop.register((now) => {
      if (control === 'syn-ack') return clientEnd.receive(now);
      serverEnd.receive(control, now);
      if (control === 'request') requests.push(now);
    });
    loop.at(arrival, loop.now + DELAY);
  };
  const clientEnd = new TcpClient(loop, hasRequest, {
    send: deliver,
    established: (at, rtt) => client.push({ at: at / MS, rtt: rtt && rtt / MS }),
  });
  const serverEnd = new TcpServer(loop, {
    send: deliver,
    established: (at, rtt) => server.push({ at: at / MS, rtt: rtt && rtt / MS }),
  });
  serverEnd.listen();
  clientEnd.open(0);
  return { loop, sent, client, server, requests, clientEnd, serverEnd };
}

it('takes a round trip for the client, half of one more for the server, and both measure it', () => {
  const { loop, sent, client, server } = connect([], false);
  loop.run(Infinity);
  expect(sent).toEqual(['syn 0', 'syn-ack 10', 'ack 20']);
  expect(client).toEqual([{ at: 20, rtt: 20 }]);
  expect(server).toEqual([{ at: 30, rtt: 20 }]);
});

it('sends a SYN again after one second, then two, and takes no measurement of it', () => {
  const { loop, sent, client, server } = connect([0, 1], false);
  loop.run(Infinity);
  expect(sent).toEqual(['syn 0', 'syn 1000', 'syn 3000', 'syn-ack 3010', 'ack 3020']);
  expect(client).toEqual([{ at: 3020, rtt: null }]);
  expect(server).toEqual([{ at: 3030, rtt: 20 }]);
});

it('answers a repeated SYN at once and repeats the SYN-ACK by itself', () => {
  const { loop, sent, client, server } = connect([1], false);
  loop.run(Infinity);
  expect(sent).toEqual([
    'syn 0',
    'syn-ack 10',
    'syn 1000',
    'syn-ack 1010',
    'syn-ack 1010',
    'ack 1020',
    'ack 1020',
  ]);
  expect(client).toHaveLength(1);
  expect(server).toEqual([{ at: 1030, rtt: null }]);
});

it('acknowledges a repeated SYN-ACK when its acknowledgement was lost', () => {
  const { loop, sent, client, server } = connect([2], false);
  loop.run(Infinity);
  expect(sent).toEqual(['syn 0', 'syn-ack 10', 'ack 20', 'syn-ack 1010', 'ack 1020']);
  expect(client).toEqual([{ at: 20, rtt: 20 }]);
  expect(server).toEqual([{ at: 1030, rtt: null }]);
});

it('a request does for the acknowledgement, and is sent again until it is answered', () => {
  const lost = connect([2], true);
  lost.loop.run(50 * MS);
  expect(lost.sent).toEqual(['syn 0', 'syn-ack 10', 'ack 20', 'request 20']);
  expect(lost.server).toEqual([{ at: 30, rtt: 20 }]);

  const again = connect([3], true);
  again.loop.run(500 * MS);
  // A round trip of 20 ms and 200 ms.
  expect(again.sent.slice(3)).toEqual(['request 20', 'request 240']);
  again.clientEnd.answered();
  again.loop.run(Infinity);
  expect(again.sent).toHaveLength(5);
});

it('nothing is sent after the end', () => {
  const { loop, sent, clientEnd, serverEnd } = connect([1], true);
  loop.run(500 * MS);
  clientEnd.close();
  serverEnd.listen();
  clientEnd.receive(loop.now);
  loop.run(Infinity);
  expect(sent).toHaveLength(2);
});

it('comes about once at both ends whatever is lost, as long as not everything is', () => {
  const losses = fc.uniqueArray(fc.nat({ max: 12 }), { maxLength: 9 });
  fc.assert(
    fc.property(losses, (lost) => {
      const { loop, client, server, requests, clientEnd } = connect(lost, true);
      while (!requests.length) loop.run(loop.now + 100 * MS);
      clientEnd.answered();
      loop.run(Infinity);
      expect([client.length, server.length]).toEqual([1, 1]);
      expect(server[0]!.at).toBeGreaterThan(client[0]!.at);
    }),
  );
});
