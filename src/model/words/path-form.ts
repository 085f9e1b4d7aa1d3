/**
 * Why a path, without its query, could be read in more than one way, or undefined where it has one reading. The proxy refuses such a
 * path where a rule asks about paths (`proxy/src/access/path.rs`); both are held to the same table, `src/wire/golden/verdicts.tsv`.
 */
export function pathDoubt(path: string): string | undefined {
  if (!path.startsWith('/')) return path === '*' ? undefined : RAW_BYTE;
  const segments = path.slice(1).split('/');
  for (const [index, segment] of segments.entries()) {
    if (segment === '' && index < segments.length - 1) return 'it has an empty segment (//)';
    if (segment === '.' || segment === '..') return 'it has a dot segment (. or ..)';
    const doubt = segmentDoubt(segment);
    if (doubt !== undefined) return doubt;
  }
  return undefined;
}

/** The bytes of a segment as an application reads them, one character for each. What is not encoded well stays as it is. */
export function decodedSegment(segment: string): string {
  const raw = Buffer.from(segment).toString('latin1');
  return raw.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

const RAW_BYTE = 'a byte stands in it that a path may have only percent-encoded';

function segmentDoubt(segment: string): string | undefined {
  if (/%(?![0-9A-Fa-f]{2})/.test(segment)) return 'a percent sign is not followed by two hexadecimal digits';
  const encoded = [...segment.matchAll(/%([0-9A-Fa-f]{2})/g)].map(([, digits = '']) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  if (encoded.some((byte) => /[\p{Cc}/\\%;?#]/u.test(byte) && byte < '\u0080'))
    return 'it percent-encodes what some applications decode before they look for the end of a segment, and others after';
  if (encoded.some((byte) => /[A-Za-z0-9\-._~]/.test(byte)))
    return 'it percent-encodes a character that needs no encoding';
  if (segment.includes(';'))
    return 'it has a semicolon, behind which some applications read parameters and others a name';
  if (!/^(?:[A-Za-z0-9\-._~!$&'()*+,=:@]|%[0-9A-Fa-f]{2})*$/.test(segment)) return RAW_BYTE;
  return isUtf8(decodedSegment(segment)) ? undefined : 'what it percent-encodes is not valid UTF-8';
}

function isUtf8(bytes: string): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(bytes, 'latin1'));
    return true;
  } catch {
    return false;
  }
}
