/**
 * Traffic of the lab, as a worker thread inside one of its namespaces: a TCP stream with a SHA-256 on both sides, numbered
 * UDP datagrams, ICMP echo. Started by traffic.ts; answers by messages.
 */
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { enterNamespace } from '../net/network-namespace.ts';
import { ping } from './ping.ts';

export type TrafficTask =
  | { readonly kind: 'tcp-server'; readonly namespace: string; readonly host: string; readonly port: number }
  | {
      readonly kind: 'tcp-client';
      readonly namespace: string;
      readonly host: string;
      readonly port: number;
      readonly source: string;
      readonly seconds: number;
    }
  | { readonly kind: 'udp-sink'; readonly namespace: string; readonly host: string; readonly port: number }
  | {
      readonly kind: 'udp-source';
      readonly namespace: string;
      readonly host: string;
      readonly port: number;
      readonly source: string;
      readonly count: number;
      readonly size: number;
      readonly perSecond: number;
    }
  | {
      readonly kind: 'ping';
      readonly namespace: string;
      readonly host: string;
      readonly source: string;
      readonly count: number;
      readonly intervalMs: number;
    };

const port = parentPort!;
const task = workerData as TrafficTask;
enterNamespace(task.namespace);
switch (task.kind) {
  case 'tcp-server':
    serveTcp(task);
    break;
  case 'tcp-client':
    sendTcp(task);
    break;
  case 'udp-sink':
    receiveUdp(task);
    break;
  case 'udp-source':
    sendUdp(task);
    break;
  case 'ping':
    port.postMessage({ done: ping(task) });
    break;
}

/** Takes one connection, hashes what comes, and reports at its end. */
function serveTcp({ host, port: tcpPort }: Extract<TrafficTask, { kind: 'tcp-server' }>): void {
  const server = createServer((socket) => {
    const hash = createHash('sha256');
    let bytes = 0;
    let started = 0;
    socket.on('data', (data) => {
      started ||= performance.now();
      hash.update(data);
      bytes += data.length;
    });
    socket.on('error', (error) => port.postMessage({ failed: error.message }));
    socket.on('end', () => {
      const seconds = (performance.now() - started) / 1000;
      socket.end();
      server.close();
      port.postMessage({ done: { bytes, seconds, sha256: hash.digest('hex') } });
    });
  });
  server.on('error', (error) => port.postMessage({ failed: error.message }));
  server.listen({ host, port: tcpPort }, () => port.postMessage({ ready: true }));
}

/** Sends pseudo-random octets for some seconds. */
function sendTcp(options: Extract<TrafficTask, { kind: 'tcp-client' }>): void {
  const hash = createHash('sha256');
  const block = Buffer.alloc(1 << 18);
  let state = 0x2545f491;
  let bytes = 0;
  const socket = connect({ host: options.host, port: options.port, localAddress: options.source });
  socket.on('error', (error) => port.postMessage({ failed: error.message }));
  socket.on('connect', () => {
    port.postMessage({ ready: true });
    const end = performance.now() + options.seconds * 1000;
    const more = (): void => {
      while (performance.now() < end) {
        // Different octets in each block; a swap in the network cannot go unnoticed.
        for (let i = 0; i < block.length; i += 4096) {
          state = (Math.imul(state, 1664525) + 1013904223) | 0;
          block.writeInt32LE(state, i);
        }
        const copy = Buffer.from(block);
        hash.update(copy);
        bytes += copy.length;
        if (!socket.write(copy)) {
          socket.once('drain', more);
          return;
        }
      }
      socket.end();
    };
    more();
  });
  socket.on('close', () => port.postMessage({ done: { bytes, sha256: hash.digest('hex') } }));
  socket.resume();
}

/** Counts numbered datagrams until told to report, and nothing comes any more. */
function receiveUdp({ host, port: udpPort }: Extract<TrafficTask, { kind: 'udp-sink' }>): void {
  const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 4 << 20 });
  const seen = new Set<number>();
  let duplicates = 0;
  let outOfOrder = 0;
  let highest = -1;
  let report: NodeJS.Timeout | undefined;
  socket.on('message', (data) => {
    report?.refresh();
    const number = data.readUInt32BE(0);
    if (seen.has(number)) duplicates++;
    seen.add(number);
    if (number < highest) outOfOrder++;
    highest = Math.max(highest, number);
  });
  socket.bind({ address: host, port: udpPort }, () => port.postMessage({ ready: true }));
  port.once('message', (quietMs: number) => {
    report = setTimeout(() => {
      socket.close();
      port.postMessage({ done: { received: seen.size, outOfOrder, duplicates } });
    }, quietMs);
  });
}

/** Sends numbered datagrams at an even pace, `count` or until told that it is enough. */
function sendUdp(options: Extract<TrafficTask, { kind: 'udp-source' }>): void {
  const socket = createSocket({ type: options.host.includes(':') ? 'udp6' : 'udp4' });
  const data = Buffer.alloc(options.size);
  let sent = 0;
  let unsent = 0;
  let reason = '';
  let enough = false;
  port.once('message', () => {
    enough = true;
  });
  socket.bind({ address: options.source }, () => {
    const started = performance.now();
    port.postMessage({ ready: true });
    const timer = setInterval(() => {
      const due = Math.min(options.count, ((performance.now() - started) / 1000) * options.perSecond);
      for (; sent < due; sent++) {
        const copy = Buffer.from(data);
        copy.writeUInt32BE(sent, 0);
        // Without a callback errors are heard of by nobody.
        socket.send(copy, options.port, options.host, (error) => {
          if (!error) return;
          unsent++;
          reason = error.message;
        });
      }
      if (enough || sent === options.count) {
        clearInterval(timer);
        // Let the last datagrams leave before the socket goes.
        setTimeout(() => {
          socket.close();
          if (unsent)
            port.postMessage({ failed: `${unsent} of ${sent} datagrams could not be sent: ${reason}` });
          else port.postMessage({ done: { sent } });
        }, 100);
      }
    }, 2);
  });
}
