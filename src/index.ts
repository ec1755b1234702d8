/**
 * The public API: a data plane on this host, its vocabulary, and the check of configuration files.
 *
 *     const host = await HostDataplane.start(dataplaneOptions(loadConfig('dataplane.yaml')));
 *     host.dataplane.setWeights('mn1', new Map([[1, 3], [2, 2]]));
 *     await host.stop();
 *
 * docs/library.md has a whole example.
 */
export { type DataplaneConfig, loadConfig, parseConfig, parseSession } from './config/load.ts';
export type * from './dataplane/session-spec.ts';
export type * from './dataplane/status.ts';
export { TunloomError } from './errors.ts';
export { dataplaneOptions } from './node/host-options.ts';
export { HostDataplane, type HostDataplaneOptions } from './node/host-dataplane.ts';
