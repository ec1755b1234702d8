/** `tunloom mag`: a MAG as a daemon (signaling-daemon.ts). SIGTERM and SIGINT de-register first. */
import { type MagDaemonConfig, loadMagConfig } from '../config/mag-config.ts';
import { PROCESS_KEYS } from '../config/signaling-schema.ts';
import { differences } from './daemon.ts';
import { MagNode } from './mag-node.ts';
import { runSignalingDaemon } from './signaling-daemon.ts';

/** Runs until stopped by a signal. Throws what starting throws (BAD_CONFIG, SYSTEM_CALL, NETLINK, STATE, ALREADY_RUNNING, TUN_IN_USE, TABLE_IN_USE). */
export function runMagDaemon(file: string): Promise<void> {
  return runSignalingDaemon<MagDaemonConfig, MagNode>(file, {
    load: loadMagConfig,
    start: (config, log) => MagNode.start({ config, namespace: null, log }),
    fixed,
    control: (node) => ({
      attach: (attachment) => node.attach(attachment),
      detach: (name) => node.detach(name),
      register: (name) => node.register(name),
      deregister: (name) => node.deregister(name),
      setInterface: (name, up) => node.setInterface(name, up),
      setMetrics: (name, metrics) => node.setMetrics(name, metrics),
    }),
    about: ({ machine }) => ({ interfaces: machine.interfaces.map(({ name }) => name) }),
  });
}

/** What a MAG is to its LMAs, and to this host. */
function fixed(before: MagDaemonConfig, after: MagDaemonConfig): string[] {
  return [
    ...differences(before.machine, after.machine, ['identity']),
    ...differences(before.host, after.host, PROCESS_KEYS),
  ];
}
