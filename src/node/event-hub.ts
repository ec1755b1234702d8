/** Where the parts of a MAG or LMA tell what happened, for the event stream of the control socket, the lab and tests. */
import { EventEmitter } from 'node:events';
import type { NodeEvent } from '../control/signaling-status.ts';
import type { DataplaneEvent } from '../dataplane/status.ts';

export type { NodeEvent };

export class EventHub extends EventEmitter<{ event: [NodeEvent | DataplaneEvent] }> {
  constructor() {
    super();
    // One listener a user of it; how many there are is their business.
    this.setMaxListeners(0);
  }

  /** Whether anybody listens: costly events need not be put together for nobody. */
  get heard(): boolean {
    return this.listenerCount('event') > 0;
  }

  tell(event: NodeEvent | DataplaneEvent): void {
    this.emit('event', event);
  }
}
