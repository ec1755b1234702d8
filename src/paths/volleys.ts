/** Which paths are probed at once: one wake-up at either end then serves them all. Pure. */

/** No more than so many at once: requests and answers have room where workers leave them, and a burst delays none of them by much. */
const MOST = 16;

/** Paths of one session, at least one. */
export type Volley<P> = readonly [P, ...P[]];

/** The paths in volleys, in their order; none holds paths of two sessions, which share nothing. */
export function volleysOf<P extends { readonly session: string }>(paths: readonly P[]): Volley<P>[] {
  const volleys: [P, ...P[]][] = [];
  const last = new Map<string, P[]>();
  for (const path of paths) {
    const volley = last.get(path.session);
    if (volley && volley.length < MOST) {
      volley.push(path);
      continue;
    }
    const fresh: [P] = [path];
    volleys.push(fresh);
    last.set(path.session, fresh);
  }
  return volleys;
}
