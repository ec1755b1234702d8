/** Messages in the few words that fit on a ladder: what is asked for, what is granted. */

/** Options of a PBU or PBA that say it, and what they are called on the ladder. */
const NAMES: Readonly<Record<string, string>> = {
  'home-network-prefix': 'HNP',
  'ipv4-home-address-request': 'HoA',
  'ipv4-home-address-reply': 'HoA',
  'delegated-mobile-network-prefix': 'DMNP',
};
const UNKNOWN = new Set(['::/0', '0.0.0.0/0']);

/** From the summary that events carry (summarizeMessage): `BID 1 wan1: HNP ?, HoA ?`. */
export function shortMessage(
  summary: string,
  bid: number | null,
  status: number | null,
  path: string | undefined,
): string {
  const words = summary.split('; ').flatMap((part) => {
    const [option = '', value = ''] = part.split(' ');
    const name = NAMES[option];
    const plain = value.replace(/,$/, '');
    return name === undefined ? [] : [`${name} ${UNKNOWN.has(plain) ? '?' : plain}`];
  });
  if (/lifetime 0 s/.test(summary)) words.push('lifetime 0');
  if (status !== null && status > 0) words.unshift(`status ${status}`);
  const about = bid === null ? '' : `BID ${bid}${path === undefined ? '' : ` ${path}`}`;
  return about && words.length ? `${about}: ${words.join(', ')}` : about + words.join(', ');
}

/** Of a message on the access link, from what AccessMessage says of it: whom it tells which prefix or address. */
export function shortAccess(message: string, text: string): string {
  // A client names itself by its link-layer address, which is the same all the time.
  if (message.startsWith('DHCP') && text.includes(':')) return '';
  return message === 'RA' ? (text.split(' ')[0] ?? '') : text.replace('0.0.0.0', '');
}
