/** The thread of readiness.ts: sleeps until a descriptor is readable, reports which, and ends when told to. */
import { workerData } from 'node:worker_threads';
import { waitEpoll } from './libc.ts';
import {
  EVENT_SIZE,
  REPORTED,
  RING,
  RING_TOKENS,
  type ReadinessTask,
  STOP,
  TAKEN,
  tokenOf,
} from './readiness.ts';
import { ReportPace } from './report-pace.ts';

const EVENTS = 64;
const FOR_EVER = -1;

const { epoll, words } = workerData as ReadinessTask;
const events = new Uint8Array(EVENTS * EVENT_SIZE);
const view = new DataView(events.buffer);
let reported = 0;
const pace = new ReportPace();
/** Never notified: waiting for it is sleeping. */
const nothing = new Int32Array(new SharedArrayBuffer(4));

/** Puts a token into the ring, as soon as there is room. */
function report(token: number): void {
  for (;;) {
    const taken = Atomics.load(words, TAKEN);
    if (((reported - taken) | 0) < RING_TOKENS) break;
    Atomics.notify(words, REPORTED);
    Atomics.wait(words, TAKEN, taken);
  }
  words[RING + (reported & (RING_TOKENS - 1))] = token;
  reported = (reported + 1) | 0;
  Atomics.store(words, REPORTED, reported);
}

for (let running = true; running;) {
  const count = waitEpoll(epoll, events, EVENTS, FOR_EVER);
  for (let index = 0; index < count; index++) {
    const token = tokenOf(view, index);
    if (token === STOP) running = false;
    else report(token);
  }
  Atomics.notify(words, REPORTED);
  const rest = running ? pace.restAfterReport(performance.now()) : 0;
  if (rest) Atomics.wait(nothing, 0, 0, rest);
}
