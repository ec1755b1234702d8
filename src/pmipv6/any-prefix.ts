/** ALL_ZERO in prefix options: the LMA is to assign (RFC 5213 §6.9.1.1, RFC 5844 §3.3.1, RFC 7148 §4.1). */

export const ANY_IPV6 = '::/0';
export const ANY_IPV4 = '0.0.0.0/0';
