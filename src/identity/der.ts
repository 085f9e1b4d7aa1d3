/** One element of DER: its tag and what is in it. */
export interface DerElement {
  readonly tag: number;
  readonly value: Uint8Array;
}

const NOTHING = new Uint8Array();

/**
 * The elements that stand one after the other, for what is read of every certificate: the X.509 library takes a millisecond
 * for one. None where the bytes are not DER, and where a tag has several bytes, as none in a certificate has.
 */
export function derElements(bytes: Uint8Array = NOTHING): readonly DerElement[] {
  const elements: DerElement[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = bytes[at] ?? 0;
    const head = lengthAt(bytes, at + 1);
    if ((tag & 0x1f) === 0x1f || head === undefined) return [];
    const end = head.from + head.length;
    if (end > bytes.length) return [];
    elements.push({ tag, value: bytes.subarray(head.from, end) });
    at = end;
  }
  return elements;
}

/** A length in its short form, or in up to three bytes, and where what it measures begins. */
function lengthAt(
  bytes: Uint8Array,
  at: number,
): { readonly from: number; readonly length: number } | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  if (first < 0x80) return { from: at + 1, length: first };
  const count = first & 0x7f;
  const digits = bytes.subarray(at + 1, at + 1 + count);
  if (count === 0 || count > 3 || digits.length < count) return undefined;
  return { from: at + 1 + count, length: digits.reduce((sum, digit) => sum * 256 + digit, 0) };
}

/** What is in the first element of some bytes. */
export function insideDer(bytes: Uint8Array | undefined): readonly DerElement[] {
  return derElements(derElements(bytes)[0]?.value);
}
