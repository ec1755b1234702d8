/** From the distribution policy as written (flow-schema.ts) to the data plane's words, and what the schema cannot see of it. */
import {
  type DistributionSpec,
  type FlowAction,
  type FlowRule,
  type FlowSelector,
  type LatencyClassSpec,
} from '../dataplane/distribution-spec.ts';
import { isSequenced } from '../dataplane/path-template.ts';
import { buildSchedule } from '../dataplane/schedule-table.ts';
import type { SessionSpec } from '../dataplane/session-spec.ts';
import type { Complaint } from './cross-checks.ts';
import {
  type AddressRange,
  type FileDistribution,
  type FileFlow,
  type FileLatency,
  type FileService,
  type FileServices,
  KNOWN_SERVICES,
  type NumberRange,
  rangeOf,
} from './flow-schema.ts';
import type { SchedulerName } from '../dataplane/distribution-spec.ts';

/** More conditions than this in one rule are a mistake. */
const MAX_SELECTORS = 1024;
const PRIORITY_STEP = 10;

/** Expedited forwarding (RFC 3246). */
const EF: NumberRange = { start: 46, end: 46 };
const SMALL = { packet: 320, rate: 150_000, burst: 4000 };

/** Scheduler and parameters as far as they are given. */
export function distributionOf(
  scheduler: SchedulerName | undefined,
  written: FileDistribution | undefined,
): Partial<DistributionSpec> | undefined {
  if (scheduler === undefined && written === undefined) return undefined;
  const { sequence, seed, gap, queue, peerWindow, peerEqualDelay, burst } = written ?? {};
  return {
    ...(scheduler !== undefined && { scheduler }),
    ...(sequence !== undefined && { sequence }),
    ...(seed !== undefined && { seed }),
    ...(gap !== undefined && { gapUs: gap }),
    ...(queue !== undefined && { queueUs: queue }),
    ...(peerWindow !== undefined && { peerWindow }),
    ...(peerEqualDelay !== undefined && { peerEqualDelay }),
    ...(burst !== undefined && { burstUs: burst }),
  };
}

/** The latency class with its defaults filled in (docs/policy.md). */
export function latencyOf({ dscp = [EF], small = false }: FileLatency): LatencyClassSpec {
  return {
    dscp: dscp.flatMap(({ start, end }) => Array.from({ length: end - start + 1 }, (_, i) => start + i)),
    small: small === false ? null : small === true ? SMALL : { ...SMALL, ...withoutUndefined(small) },
  };
}

/** The rules in the order of the list; without a priority each comes after the one before it. */
export function flowRulesOf(flows: readonly FileFlow[], services: FileServices): FlowRule[] {
  let before = 0;
  return flows.map((flow, i) => {
    const priority = flow.priority ?? Math.min(before + PRIORITY_STEP, 65535);
    before = priority;
    return {
      priority,
      name: flow.name ?? flow.services?.join(' ') ?? `flow ${i + 1}`,
      selectors: selectorsOf(flow, services),
      action: actionOf(flow),
    };
  });
}

function actionOf(flow: FileFlow): FlowAction {
  const distribution = distributionOf(flow.scheduler, flow.distribution);
  const own = distribution ? { distribution } : {};
  if (flow.path !== undefined) return { action: 'paths', bids: [flow.path] };
  if (Array.isArray(flow.paths)) return { action: 'paths', bids: flow.paths, ...own };
  if (flow.paths) {
    const weights = Object.fromEntries(
      Object.entries(flow.paths).map(([bid, weight]) => [Number(bid), weight]),
    );
    return { action: 'paths', bids: Object.keys(weights).map(Number), weights, ...own };
  }
  if (flow.label !== undefined) return { action: 'labels', labels: [flow.label], ...own };
  if (flow.labels) return { action: 'labels', labels: flow.labels, ...own };
  if (flow.copies) return { action: 'copies', bids: flow.copies };
  return { action: 'drop' };
}

/** Every combination of the listed conditions, for each family that they allow. */
function selectorsOf(flow: FileFlow, services: FileServices): FlowSelector[] {
  const named = flow.services
    ? flow.services.flatMap((name) => {
        const service = serviceOf(name, services);
        return service ? [service] : [];
      })
    : [{}];
  return named.flatMap((service: FileService) => {
    const sources = both(flow.source, service.prefixes?.map(rangeOf));
    const destinations: readonly (AddressRange | undefined)[] = flow.destination ?? [undefined];
    const result: FlowSelector[] = [];
    for (const source of sources) {
      for (const destination of destinations) {
        if (source && destination && source.family !== destination.family) continue;
        const given = source?.family ?? destination?.family ?? (flow.flowLabel ? 6 : null);
        for (const family of given ? [given] : ([4, 6] as const)) {
          if (family === 4 && flow.flowLabel) continue;
          const base: FlowSelector = {
            family,
            ...(source && { source: { start: source.start, end: source.end } }),
            ...(destination && { destination: { start: destination.start, end: destination.end } }),
          };
          result.push(...combine(base, flow, service));
        }
      }
    }
    return result;
  });
}

function combine(base: FlowSelector, flow: FileFlow, service: FileService): FlowSelector[] {
  const lists: readonly [
    Exclude<keyof FlowSelector, 'family' | 'source' | 'destination'>,
    readonly NumberRange[],
  ][] = [
    ['protocol', flow.protocol ?? service.protocol ?? []],
    ['sourcePort', flow.sourcePort ?? service.ports ?? []],
    ['destinationPort', flow.destinationPort ?? []],
    ['trafficClass', (flow.dscp ?? []).map(({ start, end }) => ({ start: start << 2, end: (end << 2) | 3 }))],
    ['spi', flow.spi ?? []],
    ['flowLabel', flow.flowLabel ?? []],
  ];
  return lists.reduce<FlowSelector[]>(
    (selectors, [key, ranges]) =>
      ranges.length
        ? selectors
            .flatMap((selector) => ranges.map((range) => ({ ...selector, [key]: range })))
            // That there are too many is said later; what they all are is not needed for that.
            .slice(0, MAX_SELECTORS + 1)
        : selectors,
    [base],
  );
}

/** Ranges of the rule and of the service; if both are given, the rule's. */
function both(
  own: readonly AddressRange[] | undefined,
  service: readonly AddressRange[] | undefined,
): readonly (AddressRange | undefined)[] {
  return own ?? service ?? [undefined];
}

function serviceOf(name: string, services: FileServices): FileService | undefined {
  return [services, KNOWN_SERVICES].find((known) => Object.hasOwn(known, name))?.[name];
}

function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as never;
}

/** Services that nobody defined. */
export function checkServices(flows: readonly FileFlow[], services: FileServices): Complaint[] {
  return flows.flatMap(({ services: names = [] }, i) =>
    names
      .filter((name) => !serviceOf(name, services))
      .map((name) => ({
        path: ['flows', i, 'services'],
        message:
          `there is no service "${name}"; expected a key of services or one of ` +
          Object.keys(KNOWN_SERVICES).join(', '),
      })),
  );
}

/** Rules that do not fit the session's paths. */
export function checkPolicy(session: SessionSpec): Complaint[] {
  const complaints: Complaint[] = [];
  const bids = new Set(session.paths.map(({ bid }) => bid));
  const labels = new Set(session.paths.map(({ label }) => label));
  if (session.distribution?.scheduler === 'redundant' && !session.paths.every(isSequenced)) {
    complaints.push({ path: ['scheduler'], message: NEEDS_NUMBERS });
  }
  (session.flows ?? []).forEach(({ selectors, action }, i) => {
    const complain = (message: string): void => {
      complaints.push({ path: ['flows', i], message });
    };
    if (!selectors.length)
      complain('matches nothing: its addresses or flow labels are of different families');
    if (selectors.length > MAX_SELECTORS) {
      complain(`comes to more than ${MAX_SELECTORS} combinations of conditions`);
    }
    if (action.action === 'drop') return;
    if (action.action === 'labels') {
      const unknown = action.labels.filter((label) => !labels.has(label));
      if (unknown.length === action.labels.length) complain(`no path has label ${unknown.join(' or ')}`);
      return;
    }
    const unknown = action.bids.filter((bid) => !bids.has(bid));
    if (unknown.length) complain(`there is no path with BID ${unknown.join(', ')}`);
    if (new Set(action.bids).size < action.bids.length) complain('a BID is named twice');
    const used = session.paths.filter(({ bid }) => action.bids.includes(bid));
    const scheduler =
      action.action === 'copies' ? 'redundant' : (action.distribution?.scheduler ?? 'weighted');
    if (used.length > 1 && !used.every(isSequenced)) {
      if (scheduler === 'redundant') complain(NEEDS_NUMBERS);
      else if (!session.allowReordering && scheduler !== 'flow-hash' && scheduler !== 'flowlet') {
        complain(
          'splits packets over paths that carry no sequence number; set allowReordering: true to do it',
        );
      }
    }
    if (action.action === 'paths') {
      try {
        buildSchedule(used.map(({ bid, weight }) => action.weights?.[bid] ?? (weight || 1)));
      } catch (error) {
        complain((error as Error).message);
      }
    }
  });
  return complaints;
}

const NEEDS_NUMBERS =
  'copies need sequence numbers on all paths, or the far end delivers each of them; use gre, udp-gre or gre-in-udp with gre.sequence';
