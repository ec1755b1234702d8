/**
 * `tunloom mag`: a MAG with its control socket and signals. SIGHUP reads the file again; SIGTERM and SIGINT de-register and stop
 * cleanly.
 */
import { type MagDaemonConfig, loadMagConfig } from '../config/mag-config.ts';
import { buildControlServer, listenControl } from '../control/server.ts';
import { levelOf, openLog, refuseFixed, reloadOnHangup, stopSignal } from './daemon.ts';
import { guardedControl } from './guarded-control.ts';
import { MagNode } from './mag-node.ts';

/** Runs until stopped by a signal. Throws what starting throws (BAD_CONFIG, SYSTEM_CALL, NETLINK, STATE, ALREADY_RUNNING). */
export async function runMagDaemon(file: string): Promise<void> {
  let config = loadMagConfig(file);
  const log = openLog(config.host.log.level);
  // From here on a signal must not leave a device or a route behind, so it waits until starting is done.
  const stopped = stopSignal(log);
  const node = await MagNode.start({ config, namespace: null, log });
  node.host.dataplane.on('event', (event) => log[levelOf(event)](event));
  const reload = async (): Promise<object> => {
    const next = loadMagConfig(file);
    refuseReload(file, config, next);
    const result = node.reconfigure(next);
    config = next;
    log.level = next.host.log.level;
    log.info({ event: 'reloaded', ...result });
    return result;
  };
  let stopReloading = (): void => {};
  try {
    const server = buildControlServer({
      control: guardedControl(node.host.dataplane, node.installer),
      changed: () => node.host.sessionsChanged(),
      paths: node.host.pathWatch,
      reload,
      events: node.events,
      signaling: {
        bindings: () => node.bindings(),
        binding: (name) => node.binding(name),
        signaling: () => node.signaling(),
        clearWeights: (name) => node.installer.clearWeights(name),
        attach: (attachment) => node.attach(attachment),
        detach: (name) => node.detach(name),
        register: (name) => node.register(name),
        deregister: (name) => node.deregister(name),
        setInterface: (name, up) => node.setInterface(name, up),
        setMetrics: (name, metrics) => node.setMetrics(name, metrics),
      },
    });
    await listenControl(server, config.host.control);
    stopReloading = reloadOnHangup(log, reload);
    log.info({
      event: 'listening',
      control: config.host.control,
      tun: node.host.tunName,
      interfaces: config.machine.interfaces.map(({ name }) => name),
    });
    await stopped;
    await server.close();
  } finally {
    stopReloading();
    await node.stop();
  }
}

/** Everything but keys, weights, tunnels, the log level, flow bindings of nodes and what the LMA is told of interfaces. */
function refuseReload(file: string, before: MagDaemonConfig, after: MagDaemonConfig): void {
  refuseFixed(file, before.host, after.host, [
    'workers',
    'tun',
    'control',
    'memory',
    'offload',
    'busyPoll',
    'probes',
    'routing',
    'state',
  ]);
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
