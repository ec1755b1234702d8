/**
 * The public API: a data plane on this host, its vocabulary, and the check of configuration files.
 *
 *     const host = await HostDataplane.start(options);
 *     host.dataplane.setWeights('mn1', new Map([[1, 3], [2, 2]]));
 *     await host.stop();
 */
export { type DataplaneConfig, loadConfig, parseConfig, parseSession } from './config/load.ts';
export type * from './dataplane/session-spec.ts';
export type * from './dataplane/status.ts';
export { TunloomError } from './errors.ts';
export { HostDataplane, type HostDataplaneOptions } from './node/host-dataplane.ts';
