/** `tunloom lma`: an LMA with its control socket and signals. SIGHUP reads the file again; SIGTERM and SIGINT stop cleanly. */
import { type LmaDaemonConfig, loadLmaConfig } from '../config/lma-config.ts';
import { buildControlServer, listenControl } from '../control/server.ts';
import { levelOf, openLog, refuseFixed, reloadOnHangup, stopSignal } from './daemon.ts';
import { guardedControl } from './guarded-control.ts';
import { LmaNode } from './lma-node.ts';

/** Runs until stopped by a signal. Throws what starting throws (BAD_CONFIG, SYSTEM_CALL, NETLINK, STATE, ALREADY_RUNNING). */
export async function runLmaDaemon(file: string): Promise<void> {
  let config = loadLmaConfig(file);
  const log = openLog(config.host.log.level);
  // From here on a signal must not leave a device or a route behind, so it waits until starting is done.
  const stopped = stopSignal(log);
  const node = await LmaNode.start({ config, namespace: null, log });
  node.host.dataplane.on('event', (event) => log[levelOf(event)](event));
  const reload = async (): Promise<object> => {
    const next = loadLmaConfig(file);
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
        revoke: (name, bid) => node.revoke(name, bid),
      },
    });
    await listenControl(server, config.host.control);
    stopReloading = reloadOnHangup(log, reload);
    log.info({
      event: 'listening',
      control: config.host.control,
      tun: node.host.tunName,
      addresses: config.addresses,
    });
    await stopped;
    await server.close();
  } finally {
    stopReloading();
    await node.stop();
  }
}

function refuseReload(file: string, before: LmaDaemonConfig, after: LmaDaemonConfig): void {
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
  refuseFixed(file, before, after, ['addresses']);
  refuseFixed(
    file,
    before.machine,
    after.machine,
    ['homePrefixPools', 'homePrefixLength', 'ipv4', 'delegatedPools'],
    {
      homePrefixPools: 'pools.homePrefixes',
      homePrefixLength: 'pools.homePrefixLength',
      ipv4: 'pools.ipv4',
      delegatedPools: 'pools.delegated',
    },
  );
}
