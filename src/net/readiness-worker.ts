/** The thread of readiness.ts: sleeps until a descriptor is readable, posts which, and ends when told to. */
import { parentPort, workerData } from 'node:worker_threads';
import { waitEpoll } from './libc.ts';
import { EVENT_SIZE, STOP, tokenOf } from './readiness.ts';

const EVENTS = 64;
const FOR_EVER = -1;

const events = new Uint8Array(EVENTS * EVENT_SIZE);
const view = new DataView(events.buffer);
for (let running = true; running;) {
  const count = waitEpoll(workerData as number, events, EVENTS, FOR_EVER);
  const tokens = Array.from({ length: Math.max(count, 0) }, (_, index) => tokenOf(view, index));
  running = !tokens.includes(STOP);
  if (running && tokens.length) parentPort!.postMessage(tokens);
}
