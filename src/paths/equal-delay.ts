/**
 * By how long what comes over each path is held at the receiving end, so that all paths of a session seem as long as the longest. A transport
 * protocol then sees one round trip time from its first packet on, whichever path that took: BBR takes the smallest round trip for that
 * of the whole, and CUBIC leaves slow start when it steps (HyStart, RFC 9406). Pure.
 */
import type { MonitoredPath } from './path-monitor.ts';

/** What this needs to know of a path. */
type ReceivedPath = Pick<MonitoredPath, 'bid' | 'state'> & {
  readonly receiving: Pick<MonitoredPath['receiving'], 'rawDelayUs'>;
};

/**
 * Microseconds by BID. Queues are left out: a transport protocol has to see them grow. Paths that are not up, or more than `boundUs` behind the
 * fastest, do not count, and what comes over them is not held.
 */
export function holdTimes(paths: readonly ReceivedPath[], boundUs: number): Map<number, number> {
  const delays = paths.flatMap(({ bid, state, receiving: { rawDelayUs } }) =>
    state === 'up' && rawDelayUs !== null ? [{ bid, rawDelayUs }] : [],
  );
  const least = Math.min(...delays.map(({ rawDelayUs }) => rawDelayUs));
  const counting = delays.filter(({ rawDelayUs }) => rawDelayUs - least <= boundUs);
  const longest = Math.max(...counting.map(({ rawDelayUs }) => rawDelayUs));
  const holds = new Map(paths.map(({ bid }) => [bid, 0]));
  for (const { bid, rawDelayUs } of counting) holds.set(bid, Math.round(longest - rawDelayUs));
  return holds;
}

/** What a path of the sending direction seems to be behind the fastest if the far end does so; microseconds. */
export function equalDelayBehind(
  paths: readonly Pick<MonitoredPath, 'state' | 'delayBehindUs'>[],
  boundUs: number,
  ownUs: number,
): number {
  return Math.max(
    ownUs,
    ...paths.map(({ state, delayBehindUs }) =>
      state === 'up' && delayBehindUs !== null && delayBehindUs <= boundUs ? delayBehindUs : 0,
    ),
  );
}
