/**
 * The ABI: what the workers' loops and the control thread may call. Addresses and counts are u32 (plain JS numbers),
 * times are microseconds as f64 (exact up to 2^53), 64-bit values travel through memory. Everything else is private.
 */
import { CONTROL, CONTROL_ENDPOINTS, CONTROL_KEY, ENDPOINT_STRIDE, WORKER_FIELDS } from './layout';
import { readFields } from './classify/flow-fields';
import { flowKey } from './classify/flow-key';
import { findSession4, findSession6 } from './classify/prefix-table';
import * as buffers from './memory/buffers';
import * as tables from './memory/tables';
import * as merge from './offload/merge';
import * as decapsulation from './pipeline/decapsulation';
import * as encapsulation from './pipeline/encapsulation';
import * as expiry from './pipeline/expire';
import * as receive from './pipeline/receive';
import * as send from './pipeline/send';
import * as xdp from './pipeline/xdp';
import * as pins from './schedule/pins';
import * as scheduler from './schedule/scheduler';
import * as workers from './pipeline/worker';

// ---- worker loop

export function workerAddress(index: u32): u32 {
  return <u32>workers.workerAddress(index);
}
/** `more`: the list of sends is not grouped yet, because others come before it is sent. See encapsulation.ts. */
export function encapsulate(worker: u32, first: u32, last: u32, now: f64, more: bool): u32 {
  return encapsulation.encapsulateBatch(worker, first, last, <u64>now, more);
}
/** Groups what encapsulate() has left ungrouped. */
export function groupSends(worker: u32): void {
  send.groupSends(worker);
}
export function sendFailed(worker: u32, place: u32, reason: u32): void {
  send.sendFailed(worker, place, reason);
}
/** The endpoint of message `message` gives up UDP_SEGMENT. */
export function disableSegments(worker: u32, message: u32): void {
  send.disableSegments(worker, message);
}
/** Lays the messages that are marked MESSAGE_REFUSED out again, one packet each. */
export function regroupSends(worker: u32): void {
  send.regroupSends(worker);
}
export function sendsDone(worker: u32): void {
  send.sendsDone(worker);
}
/** For endpoint number `endpoint`, -1 for the TUN; gives how many of the first `count` places are ready. */
export function prepareReceive(worker: u32, endpoint: i32, count: u32): u32 {
  return receive.prepareReceive(worker, endpoint < 0 ? 0 : endpointRecord(endpoint), count);
}
function endpointRecord(endpoint: u32): usize {
  return <usize>load<u32>(CONTROL, CONTROL_ENDPOINTS) + <usize>endpoint * ENDPOINT_STRIDE;
}
export function decapsulate(worker: u32, endpoint: u32, first: u32, received: u32, now: f64): u32 {
  return decapsulation.decapsulateBatch(worker, endpoint, first, received, <u64>now);
}
/** Frames of one endpoint from the AF_XDP socket with the record at `socket`; places are ready for `count`. See xdp.ts. */
export function receiveFrames(worker: u32, socket: u32, count: u32): u32 {
  return xdp.receiveFrames(worker, socket, count);
}
/** Messages into the ring of an AF_XDP socket: how many, or -errno if the first one was refused. See xdp.ts. */
export function sendFrames(socket: u32, headers: u32, count: u32): i32 {
  return xdp.sendFrames(socket, headers, count);
}
/** With offloads: lays out WORKER_WRITES for all deliveries; gives their number. */
export function layWrites(worker: u32): u32 {
  return merge.layWrites(worker);
}
/** Lays write `write` out for a single packet of it, the one after `after`; 0: none is left. See merge.ts. */
export function singleWrite(worker: u32, write: u32, after: u32): u32 {
  return merge.singleWrite(worker, write, after);
}
export function writeFailed(worker: u32, write: u32): void {
  decapsulation.writeFailed(worker, write);
}
export function deliveryFailed(worker: u32): void {
  decapsulation.deliveryFailed(worker);
}
export function deliveriesDone(worker: u32, now: f64): u32 {
  return decapsulation.deliveriesDone(worker, <u64>now);
}
/** Serves deadlines; `drained`: everything that had arrived by then has been read. */
export function expire(worker: u32, now: f64, drained: f64): void {
  expiry.expireDue(worker, <u64>now, <u64>drained);
}
/** Microseconds of the worker's earliest deadline, 0 if it has none. */
export function nextDeadline(worker: u32): f64 {
  return <f64>expiry.earliestDeadline(worker);
}
/** A round over the devices begins, or goes on: what had arrived by `drained` has been read before. */
export function startRound(worker: u32, drained: f64): void {
  workers.startRound(worker, <u64>drained);
}
/** It ends; `drained`: no device has anything left. */
export function passBatchEnd(worker: u32, drained: bool): void {
  workers.passBatchEnd(worker, drained);
}

// ---- control thread

export function fillPool(): void {
  buffers.fillPool();
}
export function initialiseWorker(index: u32, timers: u32): void {
  workers.initialiseWorker(index, timers);
}
export function recoverWorker(index: u32, timers: u32): u32 {
  return workers.recoverWorker(index, timers);
}
/** Gives the free buffers in hand of a region without a loop (the control thread's) back to the pool. */
export function returnBuffers(index: u32): u32 {
  return workers.returnBuffers(index);
}
export function emptySession(worker: u32, session: u32): bool {
  return workers.emptySession(worker, session);
}
/** Key at CONTROL_KEY: u64 high (T8: the key; T4: u32), u64 low, u32 extra. `reference` is the address of the u64. */
export function tableInsert(form: u32, reference: u32, value: u32): void {
  tables.insert(form, atomic.load<u64>(reference), CONTROL + CONTROL_KEY, value);
}
/** Replaces a key's value (-1 deletes it); false if the key is not there. */
export function tableReplace(form: u32, reference: u32, value: u32): bool {
  return tables.replace(form, atomic.load<u64>(reference), CONTROL + CONTROL_KEY, value);
}
/** Value of the key at CONTROL_KEY, 0 if it is not there. */
export function tableFind(form: u32, reference: u32): u32 {
  const at = atomic.load<u64>(reference);
  if (form == 4) return tables.find4(at, load<u32>(CONTROL, CONTROL_KEY));
  if (form == 8) return tables.find8(at, load<u64>(CONTROL, CONTROL_KEY));
  return tables.find16(
    at,
    load<u64>(CONTROL, CONTROL_KEY),
    load<u64>(CONTROL, CONTROL_KEY + 8),
    load<u32>(CONTROL, CONTROL_KEY + 16),
  );
}
/** Moves all live entries into the empty entries at `address` (2^bits of them) and publishes those. */
export function tableMove(form: u32, reference: u32, address: u32, bits: u32): void {
  const to = ((<u64>bits) << 32) | (<u64>address);
  tables.copyTable(form, atomic.load<u64>(reference), to);
  atomic.store<u64>(reference, to);
}
/** Picks `picks` times for packets of `length` octets, 4 microseconds apart and each of another flow (bench/schedulers.ts). */
export function pickMany(worker: u32, group: u32, length: u32, picks: u32): u32 {
  return scheduler.pickMany(worker, group, length, picks);
}
/** Leaves the flow key of the checked inner packet at `at` at CONTROL_KEY; `worker` is the control thread's region. */
export function readFlowKey(worker: u32, family: u32, at: u32, total: u32): void {
  const fields = <usize>worker + WORKER_FIELDS;
  readFields(fields, at, family, total);
  store<u64>(CONTROL, flowKey(fields, 0), CONTROL_KEY);
}
/** Pins the flow whose key is at CONTROL_KEY to `bid`; 0 lifts the pin. */
export function pinFlow(bid: u32, now: f64): void {
  pins.pinFlow(load<u64>(CONTROL, CONTROL_KEY), bid, <u64>now);
}
/** Session number for the address at `at` (network order), 0 if no prefix covers it. */
export function findSession(family: u32, at: u32): u32 {
  return family == 4 ? findSession4(at) : findSession6(at);
}
