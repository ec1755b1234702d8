/**
 * The MAGs that a node was handed off from. One that has not noticed goes on extending its binding (HI 5, RFC 5213 §8.4), and so would take
 * the session from the MAG that has the node: it has nothing to extend any more.
 */
import { Handoff } from '../wire/numbers.ts';
import type { Binding, Session } from './binding-cache.ts';
import type { Request } from './request.ts';

/** Of one session; the longest left go. */
const MAX_DEPARTED = 64;

/** Whether the PBU extends what its MAG has lost to another one. A session that nobody has is nobody's to lose. */
export function extendsLost({ departed, bindings }: Session, request: Request, multipath: boolean): boolean {
  if (departed === null || request.handoff !== Handoff.NOT_CHANGED || !bindings.size) return false;
  return departed.has(multipath ? request.mag! : request.careOf.address);
}

/** The session's MAG has it no longer, as `request` takes it over with another; before the session's MAG changes. */
export function depart(session: Session, replaced: readonly Binding[], request: Request): void {
  if (!replaced.length) return;
  session.departed ??= new Set();
  for (const { careOf } of replaced) note(session.departed, careOf.address);
  if (session.mag !== null && session.mag !== request.mag) note(session.departed, session.mag);
}

/** The MAG of `request` has the node. */
export function arrive({ departed }: Session, { mag, careOf }: Request): void {
  departed?.delete(careOf.address);
  if (mag !== undefined) departed?.delete(mag);
}

function note(departed: Set<string>, mag: string): void {
  departed.delete(mag);
  departed.add(mag);
  if (departed.size > MAX_DEPARTED) departed.delete(departed.values().next().value!);
}
