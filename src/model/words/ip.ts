/**
 * The one text form of an IP address, or undefined when it is none: IPv6 shortened and in lower case, IPv4 inside
 * IPv6 unwrapped. Addresses are compared and indexed in this form only.
 */
export function canonicalIp(text: string): string | undefined {
  if (isIpv4(text)) return text;
  if (!text.includes(':') || !/^[0-9a-fA-F:.]+$/.test(text)) return undefined;
  const url = URL.parse(`http://[${text}]/`);
  if (url === null) return undefined;
  return unwrapIpv4(url.hostname.slice(1, -1));
}

/** Addresses in their canonical form; what is not an address stays as it is. */
export function canonicalIps(texts: readonly string[]): readonly string[] {
  return texts.map((text) => canonicalIp(text) ?? text);
}

/** The bytes of an address in canonical form: 4 or 16, network order. */
export function ipBytes(canonical: string): Uint8Array {
  if (!canonical.includes(':')) return Uint8Array.from(canonical.split('.'), Number);
  const [head = '', tail] = canonical.split('::');
  const left = groups(head);
  const right = groups(tail ?? '');
  const zeros = Array<number>(8 - left.length - right.length).fill(0);
  return Uint8Array.from([...left, ...zeros, ...right].flatMap((group) => [group >> 8, group & 0xff]));
}

/** A block of addresses as users write it, `<address>/<bits>`; undefined when it is none. */
export function toAddressBlock(
  cidr: string,
): { readonly address: string; readonly length: number } | undefined {
  const [text = '', bits = ''] = cidr.split('/');
  const address = canonicalIp(text);
  const length = Number(bits);
  // An IPv4 address that is written inside one of IPv6 would have other bits than its author counted.
  if (address === undefined || address.includes(':') !== text.includes(':')) return undefined;
  return length > (address.includes(':') ? 128 : 32) ? undefined : { address, length };
}

export function ipFamily(canonical: string): 'ipv4' | 'ipv6' {
  return canonical.includes(':') ? 'ipv6' : 'ipv4';
}

function isIpv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256);
}

function unwrapIpv4(ip: string): string {
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(ip);
  if (mapped === null) return ip;
  const [high, low] = [parseInt(mapped[1] ?? '', 16), parseInt(mapped[2] ?? '', 16)];
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => parseInt(group, 16));
}
