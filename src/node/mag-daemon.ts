/** `tunloom mag`: a MAG as a daemon (signaling-daemon.ts). SIGTERM and SIGINT de-register first. */
import { type MagDaemonConfig, loadMagConfig } from '../config/mag-config.ts';
import { PROCESS_KEYS, refuseFixed } from './daemon.ts';
import { MagNode } from './mag-node.ts';
import { runSignalingDaemon } from './signaling-daemon.ts';

/** Runs until stopped by a signal. Throws what starting throws (BAD_CONFIG, SYSTEM_CALL, NETLINK, STATE, ALREADY_RUNNING, TUN_IN_USE, TABLE_IN_USE). */
export function runMagDaemon(file: string): Promise<void> {
  return runSignalingDaemon<MagDaemonConfig, MagNode>(file, {
    load: loadMagConfig,
    start: (config, log) => MagNode.start({ config, namespace: null, log }),
    refuseReload,
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

/** Everything but keys, weights, tunnels, the log level, flow bindings of nodes and what the LMA is told of interfaces. */
function refuseReload(file: string, before: MagDaemonConfig, after: MagDaemonConfig): void {
  refuseFixed(file, before.host, after.host, PROCESS_KEYS);
  refuseFixed(file, before, after, ['gateways', 'access', 'lans', 'natKeepalive'], {
    gateways: 'interfaces[].gateway',
  });
  const machine = ({ interfaces, nodes, logicalNodes, ...rest }: MagDaemonConfig['machine']): object => ({
    ...rest,
    nodes: nodes.map((node) => ({ ...node, flows: [] })),
    logicalNodes: logicalNodes.map((node) => ({ ...node, flows: [] })),
    interfaces: interfaces.map((wan) => ({ ...wan, metrics: {} })),
  });
  const [old, fresh] = [machine(before.machine), machine(after.machine)] as [
    MagDaemonConfig['machine'],
    MagDaemonConfig['machine'],
  ];
  refuseFixed(file, old, fresh, Object.keys(fresh) as (keyof MagDaemonConfig['machine'])[]);
}
