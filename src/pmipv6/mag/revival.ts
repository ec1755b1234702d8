/**
 * An LMA that is heard again after an outage: PBUs that were repeated into its silence do not wait for the end of their back-off, which
 * ends with a response (RFC 6275 §11.8). Each goes on as a new request would, within the limits of rate.
 */
import type { MagContext } from './context.ts';
import type { Registration } from './registration.ts';
import type { MagSession } from './update-list.ts';
import { contact, type WanLink } from './wan-links.ts';

export class Revival {
  private readonly context: MagContext;
  private readonly registration: Registration;

  constructor(context: MagContext, registration: Registration) {
    this.context = context;
    this.registration = registration;
  }

  /** Something of the LMA at `address` has come by `link`. */
  heard(link: WanLink, address: string): void {
    const { list, anchors, now } = this.context;
    const anchor = anchors.of(address);
    const here = contact(link, address);
    // Silence over all interfaces was the LMA's own, so the others need not wait for a word of their own.
    const allSilent = now.elapsed - anchor.heard > anchor.timers.firstTimeout;
    if (here.silent || allSilent) {
      const since = (path: { readonly link: WanLink }): number =>
        path.link === link ? here.heard : allSilent ? anchor.heard : Infinity;
      for (const session of [...list.all()]) {
        if (this.release(session, address, since)) this.registration.attend(session);
      }
    }
    const back = here.failed;
    here.silent = false;
    here.failed = false;
    here.heard = now.elapsed;
    anchor.heard = now.elapsed;
    // IPv6 is there again: whoever has gone over to IPv4 comes back.
    if (back) for (const session of [...list.all()]) this.registration.attend(session);
  }

  /** Whoever has had an answer to something else in the meantime is passed over for another reason and keeps to its back-off. */
  private release(
    { paths }: MagSession,
    address: string,
    since: (path: { readonly link: WanLink }) => number,
  ): boolean {
    const { anchors, now } = this.context;
    const { firstTimeout } = anchors.of(address).timers;
    let released = false;
    for (const path of paths) {
      const { round, lma } = path;
      if (lma?.address !== address || !round || round.began === null || round.reserved) continue;
      // The sum as rounds form it: the difference of times that are no whole milliseconds may be a hair more.
      if (round.began <= since(path) || round.due <= now.elapsed + firstTimeout) continue;
      round.began = null;
      round.due = now.elapsed;
      round.delay = firstTimeout;
      released = true;
    }
    return released;
  }
}
