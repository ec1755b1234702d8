/** A scenario file to what the simulator runs: what each traffic model needs, links, events, recordings. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { readCapture } from '../capture/capture-file.ts';
import { ipPacketOf } from '../capture/signaling-packet.ts';
import type { Complaint } from '../config/cross-checks.ts';
import { describeIssues, parseYaml, readConfigFile } from '../config/yaml-file.ts';
import { type LinkKey, parseLinks } from '../emulator/model/link-text.ts';
import type { LinkSpec } from '../emulator/model/link.ts';
import { TunloomError } from '../errors.ts';
import { SMALLEST_PACKET } from '../sim/end.ts';
import { DIRECTIONS, type SimEvent, type SimPath, type SimSpec, type TrafficSpec } from '../sim/spec.ts';
import { INNER_MTU } from '../sim/tunnel-session.ts';
import { type LinkChange, changeLinks } from './link-variants.ts';
import { type ScenarioFile, TRAFFIC_MODELS, type TrafficModel, scenarioSchema } from './scenario-schema.ts';

export interface Scenario {
  readonly name: string;
  readonly description: string;
  readonly spec: SimSpec;
}

/** EF (RFC 3246). */
const EXPEDITED = 46;
const US = 1000;
const BATCH = 20_000;

/** Reads and checks `file`, with other links than are written there. Throws BAD_CONFIG with one line an error: file, line, column, key. */
export function loadScenario(file: string, changes: readonly LinkChange[] = []): Scenario {
  return parseScenario(readConfigFile(file), file, changes);
}

/** The same for text; `file` is named in errors, and recordings and traces are looked for beside it. */
export function parseScenario(text: string, file: string, changes: readonly LinkChange[] = []): Scenario {
  return parseYaml(text, file, (value) => {
    const checked = scenarioSchema.safeParse(value);
    if (!checked.success) return { config: null, complaints: describeIssues(checked.error, scenarioSchema) };
    const complaints: Complaint[] = [];
    const config = build(changeLinks(checked.data, changes), path.dirname(file), complaints);
    return { config, complaints };
  });
}

type FileLink = ScenarioFile['paths'][number]['link'];
type FileTraffic = ScenarioFile['traffic'][number];
type WholeTraffic = { [K in keyof FileTraffic]-?: NonNullable<FileTraffic[K]> };

class Builder {
  readonly #folder: string;
  readonly #complaints: Complaint[];

  constructor(folder: string, complaints: Complaint[]) {
    this.#folder = folder;
    this.#complaints = complaints;
  }

  complain(at: Complaint['path'], message: string, atKey = false): void {
    this.#complaints.push({ path: at, message, atKey });
  }

  /** Both directions; what the file leaves out is the emulator's default. */
  links(link: FileLink, at: Complaint['path']): { uplink: LinkSpec; downlink: LinkSpec } | null {
    try {
      return parseLinks(settings(link), (name) => readFileSync(path.resolve(this.#folder, name), 'utf8'));
    } catch (error) {
      this.complain(at, (error as Error).message);
      return null;
    }
  }

  traffic(entry: FileTraffic, i: number, duration: number): TrafficSpec | null {
    const at = ['traffic', i];
    if (!this.#hasKeys(entry, at)) return null;
    const { model, direction, flows, start, stop = duration, congestion = 'cubic', octets = null } = entry;
    if (start >= duration) this.complain([...at, 'start'], 'starts when the run is over');
    else if (stop <= start) this.complain([...at, 'stop'], 'stops before it starts');
    const base = {
      name: entry.name ?? model,
      direction,
      flows,
      start: start * US,
      stop: Math.min(stop, duration) * US,
      tos: entry.dscp << 2,
    };
    // What a model needs is there.
    const { rate, packet, on, off, pause, file } = entry as WholeTraffic;
    switch (model) {
      case 'constant':
      case 'poisson':
        return { ...base, model, rate, packet };
      case 'on-off':
        return { ...base, model, rate, packet, on: on * US, off: off * US };
      case 'tcp':
        return { ...base, model, congestion, octets };
      case 'requests':
        return { ...base, model, congestion, octets: octets!, pause: pause * US };
      case 'pcap': {
        const recorded = this.#recording(file, at);
        return recorded && { ...base, model: 'recorded', ...recorded };
      }
    }
  }

  /** Whether everything is there that the model needs, and nothing that it would not heed. */
  #hasKeys(entry: FileTraffic, at: Complaint['path']): boolean {
    const { model } = entry;
    const { needs, takes }: Record<'needs' | 'takes', readonly ModelKey[]> = TRAFFIC_MODELS[model];
    const missing = needs.filter((key) => entry[key] === undefined);
    const idle = MODEL_KEYS.filter(
      (key) => entry[key] !== undefined && !needs.includes(key) && !takes.includes(key),
    );
    for (const key of missing) this.complain(at, `model ${model} needs ${key}`);
    for (const key of idle) this.complain([...at, key], `model ${model} has no ${key}`, true);
    return !missing.length && !idle.length;
  }

  #recording(file: string, at: Complaint['path']): { times: number[]; sizes: number[] } | null {
    try {
      return readRecording(path.resolve(this.#folder, file));
    } catch (error) {
      this.complain([...at, 'file'], `${file}: ${(error as Error).message}`);
      return null;
    }
  }

  event(
    entry: ScenarioFile['events'][number],
    i: number,
    paths: readonly SimPath[],
    duration: number,
  ): SimEvent | null {
    if (entry.at >= duration) this.complain(['events', i, 'at'], 'comes when the run is over');
    const at = entry.at * US;
    const path = paths.find(({ bid }) => bid === entry.bid);
    if (!path) this.complain(['events', i, 'bid'], `there is no path with BID ${entry.bid}`);
    const given = [entry.state, entry.weight, entry.link].filter((value) => value !== undefined);
    if (given.length !== 1) this.complain(['events', i], 'expected one of state, weight, link');
    if (!path) return null;
    const { bid } = entry;
    if (entry.state) return { at, bid, change: entry.state };
    if (entry.weight !== undefined) return { at, bid, change: 'weight', weight: entry.weight };
    const links = this.links(entry.link ?? {}, ['events', i, 'link']);
    if (!links) return null;
    // Only what is given changes, but a rate takes the place of a trace and the other way round.
    const changed = new Set(Object.keys(entry.link ?? {}).map((key) => FIELDS[key as LinkKey]));
    if (changed.has('rate')) changed.add('trace');
    if (changed.has('trace')) changed.add('rate');
    const pick = (spec: LinkSpec): Partial<LinkSpec> =>
      Object.fromEntries(Object.entries(spec).filter(([field]) => changed.has(field as keyof LinkSpec)));
    return { at, bid, change: 'link', uplink: pick(links.uplink), downlink: pick(links.downlink) };
  }
}

type ModelKey = (typeof TRAFFIC_MODELS)[TrafficModel]['needs' | 'takes'][number];
const MODEL_KEYS = [
  ...new Set(Object.values(TRAFFIC_MODELS).flatMap(({ needs, takes }): ModelKey[] => [...needs, ...takes])),
];

const FIELDS: Readonly<Record<LinkKey, keyof LinkSpec>> = {
  rate: 'rate',
  delay: 'delay',
  jitter: 'jitter',
  loss: 'loss',
  'burst-loss': 'loss',
  reorder: 'reorder',
  duplicate: 'duplicate',
  queue: 'limit',
  trace: 'trace',
};

function settings(link: FileLink): [LinkKey, string][] {
  return Object.entries(link).filter((entry): entry is [LinkKey, string] => entry[1] !== undefined);
}

function build(file: ScenarioFile, folder: string, complaints: Complaint[]): Scenario | null {
  const builder = new Builder(folder, complaints);
  const paths = file.paths.flatMap(({ bid, name, weight, link }, i): SimPath[] => {
    if (file.paths.findIndex((other) => other.bid === bid) !== i)
      builder.complain(['paths', i, 'bid'], `BID ${bid} is used twice`);
    if (link.rate === undefined && link.trace === undefined)
      builder.complain(['paths', i, 'link'], 'a link needs a rate or a trace');
    const links = builder.links(link, ['paths', i, 'link']);
    return links ? [{ bid, name: name ?? `bid${bid}`, weight, ...links }] : [];
  });
  const traffic = file.traffic.flatMap((entry, i) => builder.traffic(entry, i, file.duration) ?? []);
  const events = file.events.flatMap((entry, i) => builder.event(entry, i, paths, file.duration) ?? []);
  if (file.resequencer.minWait > file.resequencer.maxWait)
    builder.complain(['resequencer', 'minWait'], 'is longer than maxWait');
  if (complaints.length) return null;
  const { window, minWait, maxWait, late, provenLoss, equalDelay } = file.resequencer;
  const spec: SimSpec = {
    name: file.name,
    duration: file.duration * US,
    paths,
    traffic,
    events,
    resequencer: { window, minWaitUs: minWait, maxWaitUs: maxWait, late, provenLoss },
    equalDelay:
      equalDelay && DIRECTIONS.filter((direction) => equalDelay === 'both' || equalDelay === direction),
    latency: file.latencyClass ? { dscp: [EXPEDITED], small: null } : undefined,
    detection: file.detection * US,
    probeInterval: file.probeInterval * US,
    oracle: false,
    batch: BATCH,
  };
  return { name: file.name, description: file.description, spec };
}

/** Timing and sizes of the IP packets of a capture; what is longer than the tunnel takes is cut down to that. */
function readRecording(file: string): { times: number[]; sizes: number[] } {
  const times: number[] = [];
  const sizes: number[] = [];
  let first: number | null = null;
  for (const frame of readCapture(readFileSync(file))) {
    const packet = ipPacketOf(frame.linkType, frame.octets);
    if (!packet || frame.time === null) continue;
    first ??= frame.time;
    times.push(Math.max(times.at(-1) ?? 0, Math.round((frame.time - first) * 1e9)));
    const size = frame.originalLength - (frame.octets.length - packet.length);
    sizes.push(Math.min(Math.max(size, SMALLEST_PACKET), INNER_MTU));
  }
  if (!times.length) throw new TunloomError('BAD_CAPTURE', 'no IP packet in it');
  return { times, sizes };
}
