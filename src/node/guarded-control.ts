/** The data plane's control surface on a MAG or LMA: sessions of the signaling are not to be changed by hand, except their weights and scheduler. */
import type { DataplaneControl } from '../dataplane/status.ts';
import { TunloomError } from '../errors.ts';
import type { SessionInstaller } from './session-installer.ts';

/** `control` with what would get in the signaling's way refused. Its methods throw SESSION_BY_SIGNALING. */
export function guardedControl(control: DataplaneControl, installer: SessionInstaller): DataplaneControl {
  const refuse = (name: string): void => {
    if (!installer.has(name)) return;
    throw new TunloomError(
      'SESSION_BY_SIGNALING',
      `session "${name}" belongs to the signaling; only its weights and scheduler can be set here`,
    );
  };
  return {
    status: () => control.status(),
    sessions: () => control.sessions(),
    session: (name) => control.session(name),
    spec: (name) => control.spec(name),
    setDistribution: (name, distribution) => {
      if (installer.has(name)) installer.setDistribution(name, distribution);
      else control.setDistribution(name, distribution);
    },
    setPathState: (...change) => control.setPathState(...change),
    setPathEstimates: (...change) => control.setPathEstimates(...change),
    moveFlow: (...change) => control.moveFlow(...change),
    addSession: (session) => control.addSession(session),
    updateSession: (session) => {
      refuse(session.name);
      control.updateSession(session);
    },
    removeSession: (name) => {
      refuse(name);
      control.removeSession(name);
    },
    setWeights: (name, weights) => {
      if (installer.has(name)) installer.setWeights(name, weights);
      else control.setWeights(name, weights);
    },
  };
}
