/** A host that does not forward packets carries none between TUN and networks: worth a word at the start, as nothing else would tell. */
import type { Logger } from 'pino';
import { readSysctl } from '../net/sysctl.ts';

/** Warns of each family that is not forwarded in the namespace; changing it is the operator's business. */
export function warnUnlessForwarding(namespace: string | null, log: Logger): void {
  for (const key of ['ipv6/conf/all/forwarding', 'ipv4/ip_forward']) {
    if (readSysctl(namespace, key) !== '0') continue;
    log.warn(
      { event: 'notForwarding' },
      `net.${key.replaceAll('/', '.')} is 0: this host forwards no such packets`,
    );
  }
}
