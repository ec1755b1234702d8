/** `tunloom lma`: an LMA as a daemon (signaling-daemon.ts). */
import { type LmaDaemonConfig, loadLmaConfig } from '../config/lma-config.ts';
import { PROCESS_KEYS } from '../config/signaling-schema.ts';
import { differences } from './daemon.ts';
import { LmaNode } from './lma-node.ts';
import { runSignalingDaemon } from './signaling-daemon.ts';

/** Runs until stopped by a signal. Throws what starting throws (BAD_CONFIG, SYSTEM_CALL, NETLINK, STATE, ALREADY_RUNNING, TUN_IN_USE, TABLE_IN_USE). */
export function runLmaDaemon(file: string): Promise<void> {
  return runSignalingDaemon<LmaDaemonConfig, LmaNode>(file, {
    load: loadLmaConfig,
    start: (config, log) => LmaNode.start({ config, namespace: null, log }),
    fixed,
    control: (node) => ({ revoke: (name, bid) => node.revoke(name, bid) }),
    about: ({ addresses }) => ({ addresses }),
  });
}

function fixed(before: LmaDaemonConfig, after: LmaDaemonConfig): string[] {
  const words = {
    homePrefixPools: 'pools.homePrefixes',
    homePrefixLength: 'pools.homePrefixLength',
    ipv4: 'pools.ipv4',
    delegatedPools: 'pools.delegated',
  } as const;
  return [
    ...differences(before.host, after.host, PROCESS_KEYS),
    ...differences(before, after, ['addresses']),
    ...differences(before.machine, after.machine, Object.keys(words) as (keyof typeof words)[], words),
  ];
}
