/** A host that does not forward packets carries none between TUN and networks: worth a word at the start, as nothing else would tell. */
import type { Logger } from 'pino';
import { readSysctl } from '../net/sysctl.ts';

/** Warns of each family that is not forwarded, or not there at all, in the namespace; changing it is the operator's business. */
export function warnUnlessForwarding(namespace: string | null, log: Logger): void {
  const disabled = readSysctl(namespace, 'ipv6/conf/default/disable_ipv6') !== '0';
  if (disabled) {
    log.warn(
      { event: 'noIpv6' },
      'IPv6 is disabled here (net.ipv6.conf.default.disable_ipv6): none is carried',
    );
  }
  for (const key of [...(disabled ? [] : ['ipv6/conf/all/forwarding']), 'ipv4/ip_forward']) {
    if (readSysctl(namespace, key) !== '0') continue;
    log.warn(
      { event: 'notForwarding' },
      `net.${key.replaceAll('/', '.')} is 0: this host forwards no such packets`,
    );
  }
}
