/** Writes session configs and path records into the shared memory: the only place that lays them out. */
import * as L from '../../assembly/layout.ts';
import { encodeSockaddr, parseAddress } from '../ip.ts';
import type { Distribution } from './distribution-writer.ts';
import type { PathEnds } from './endpoints.ts';
import type { DataplaneMemory } from './memory.ts';
import type { InnerMtus } from './path-mtus.ts';
import { ENCAPSULATION_NUMBERS, buildPathTemplate, isKeyed } from './path-template.ts';
import { writeEstimates } from './path-estimates.ts';
import { buildSchedule } from './schedule-table.ts';
import type { WaitBounds } from '../paths/wait-bounds.ts';
import type { PathSpec, SessionSpec } from './session-spec.ts';

/** A config block on the heap; `size` is what was allocated. */
export interface ConfigBlock {
  readonly address: number;
  readonly size: number;
  readonly schedule: Uint8Array;
  readonly innerMtus: InnerMtus;
  readonly distribution: Distribution;
}

/** Fills path record `number`, which belongs to session record `session`. What the kernel writes itself (MODE_UDP4, MODE_UDP6) is not sent. */
export function writePath(
  memory: DataplaneMemory,
  number: number,
  session: number,
  path: PathSpec,
  sendKey: number | null,
  ends: PathEnds,
): void {
  const at = memory.path(number);
  const template = buildPathTemplate(path, sendKey);
  const mode = memory.u32[(memory.endpoints + ends.endpoint * L.ENDPOINT_STRIDE + L.ENDPOINT_MODE) / 4]!;
  const kernelWrites = mode === L.MODE_UDP4 || mode === L.MODE_UDP6;
  const set = (field: number, value: number): void => {
    memory.u32[(at + field) / 4] = value;
  };
  memory.bytes.fill(0, at, at + L.PATH_STRIDE);
  set(L.PATH_SESSION, session);
  set(L.PATH_ENDPOINT, ends.endpoint);
  set(
    L.PATH_FLAGS,
    (template.family === 6 ? L.PATH_FLAG_OUTER6 : 0) |
      (template.sequenced ? L.PATH_FLAG_SEQUENCE : 0) |
      (template.greChecksum ? L.PATH_FLAG_GRE_CHECKSUM : 0) |
      (template.udpOffset && !kernelWrites ? L.PATH_FLAG_UDP_CHECKSUM : 0) |
      (path.dscp === 'copy' ? L.PATH_FLAG_DSCP_COPY : 0) |
      (path.ecn === 'normal' ? L.PATH_FLAG_ECN_COPY : 0) |
      (path.dontFragment === 'copy' ? L.PATH_FLAG_DF_COPY : 0) |
      (path.dontFragment === 'set' ? L.PATH_FLAG_DF_SET : 0),
  );
  set(L.PATH_ENCAPSULATION, ENCAPSULATION_NUMBERS[path.encapsulation]);
  set(L.PATH_HEADER_LENGTH, template.bytes.length);
  set(L.PATH_KERNEL_LENGTH, kernelWrites ? template.udpOffset + 8 : 0);
  set(L.PATH_INNER_MTU, path.mtu - template.bytes.length);
  set(L.PATH_TOS, path.dscp === 'copy' ? 0 : path.dscp << 2);
  set(L.PATH_UDP_OFFSET, template.udpOffset);
  set(L.PATH_TLV_OFFSET, template.tlvOffset);
  set(L.PATH_GRE_OFFSET, template.greOffset);
  set(L.PATH_SEQUENCE_OFFSET, template.sequenceOffset);
  set(L.PATH_PROTOCOL_OFFSET, template.protocolOffset);
  set(L.PATH_NUMBER, number);
  set(L.PATH_MTU, path.mtu);
  set(L.PATH_MODEL, at + L.PATH_MODEL_BLOCK);
  set(L.PATH_LINK, at + L.PATH_LINK_CELL);
  writeEstimates(memory, number, { rate: path.rate, delayUs: path.delayUs });
  memory.bytes.set(template.bytes, at + L.PATH_TEMPLATE_END - template.bytes.length);
  // Raw sockets take no port: ipv6(7), raw(7).
  const sockaddr = encodeSockaddr(parseAddress(path.remote), kernelWrites ? path.remotePort : 0);
  memory.bytes.set(sockaddr.bytes, at + L.PATH_SOCKADDR);
  set(L.PATH_SOCKADDR_LENGTH, sockaddr.length);
}

/** Allocates and fills a config for the session; `origin` is the ticket at which its schedule begins, `innerMtus` what its paths carry. */
export function writeConfig(
  memory: DataplaneMemory,
  spec: SessionSpec,
  pathNumbers: readonly number[],
  origin: bigint,
  distribution: Distribution,
  innerMtus: InnerMtus,
  waits: WaitBounds = spec.resequencer,
): ConfigBlock {
  const schedule = buildSchedule(distribution.weights);
  const list = L.CONFIG_PATH_LIST + pathNumbers.length * 4;
  const size = list + schedule.length;
  const address = memory.heap.allocate(size);
  const set = (field: number, value: number): void => {
    memory.u32[(address + field) / 4] = value;
  };
  set(
    L.CONFIG_FLAGS,
    (spec.resequencer.late === 'drop' ? L.CONFIG_FLAG_LATE_DROP : 0) |
      (spec.resequencer.provenLoss ? L.CONFIG_FLAG_PROVEN_LOSS : 0) |
      (spec.clampMss ? L.CONFIG_FLAG_CLAMP_MSS : 0) |
      (spec.paths.every(isKeyed) ? 0 : L.CONFIG_FLAG_INNER_PROBES),
  );
  set(L.CONFIG_INNER_MTU4, innerMtus.ipv4);
  set(L.CONFIG_INNER_MTU6, innerMtus.ipv6);
  writeWaits(memory, address, waits);
  memory.u64[(address + L.CONFIG_ORIGIN) / 8] = origin;
  set(L.CONFIG_PERIOD, schedule.length);
  set(L.CONFIG_SCHEDULE, address + list);
  set(L.CONFIG_GROUP, distribution.group);
  set(L.CONFIG_POLICY, distribution.policy);
  set(L.CONFIG_PATH_COUNT, pathNumbers.length);
  pathNumbers.forEach((number, i) => set(L.CONFIG_PATH_LIST + i * 4, memory.path(number)));
  memory.bytes.set(schedule, address + list);
  return { address, size, schedule, innerMtus, distribution };
}

/** To be called when no worker can read it any more. */
export function freeConfig(memory: DataplaneMemory, { address, size, distribution }: ConfigBlock): void {
  memory.heap.release(address, size);
  distribution.release();
}

/** The ticket with which its schedule begins. */
export function originOf(memory: DataplaneMemory, { address }: ConfigBlock): bigint {
  return memory.u64[(address + L.CONFIG_ORIGIN) / 8]!;
}

/** The bounds of the wait at a gap in config `address`: single words, which may be stored while packets flow. */
export function writeWaits(
  memory: DataplaneMemory,
  address: number,
  { minWaitUs, maxWaitUs }: WaitBounds,
): void {
  Atomics.store(memory.u32, (address + L.CONFIG_MIN_WAIT) / 4, minWaitUs);
  Atomics.store(memory.u32, (address + L.CONFIG_MAX_WAIT) / 4, maxWaitUs);
}
