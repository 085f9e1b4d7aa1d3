import { MeshError } from '../base/index.js';
import { PemConverter } from './x509.js';

/** One PEM block (RFC 7468) with a final newline. */
export function encodePem(label: string, der: Uint8Array): string {
  return `${PemConverter.encode(Uint8Array.from(der), label)}\n`;
}

/** DER of every block with this label, in order; text between blocks, and a block that is not base64, is comment. */
export function decodePem(label: string, text: string): Uint8Array<ArrayBuffer>[] {
  const lines = text.split('\n').map((line) => line.trimEnd());
  return PemConverter.decodeWithHeaders(lines.join('\n'))
    .filter(({ type }) => type === label)
    .map(({ rawData }) => new Uint8Array(rawData));
}

/** DER of the only block with this label; `what` names the text in the error. */
export function decodeOnlyPem(label: string, text: string, what: string): Uint8Array<ArrayBuffer> {
  const [first, ...more] = decodePem(label, text);
  if (first === undefined || more.length > 0) {
    throw new MeshError(
      'invalid',
      `${what}: expected one PEM block "${label}", found ${first === undefined ? 'none' : more.length + 1}`,
    );
  }
  return first;
}
