import { SocketAddress, isIPv4, isIPv6 } from 'node:net';

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/**
 * One text for each IP address, so that two of them can be compared: IPv6 in its shortest form without zone, IPv4 in
 * its own form even where a dual-stack socket shows it inside IPv6. Undefined: not an address.
 */
export function canonicalAddress(text: string): string | undefined {
  const bare = text.replace(/%.*$/, '');
  const plain = MAPPED.exec(bare)?.[1] ?? bare;
  if (isIPv4(plain)) return plain;
  if (!isIPv6(bare)) return undefined;
  const short = new SocketAddress({ address: bare, family: 'ipv6' }).address;
  return MAPPED.exec(short)?.[1] ?? short;
}
