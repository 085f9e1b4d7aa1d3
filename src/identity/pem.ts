import { MeshError } from '../base/index.js';

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([\s\S]*?)-----END \1-----/g;

/** One PEM block, lines of 64 characters, with a final newline. */
export function encodePem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

/** DER of every block with this label, in order; text between blocks is comment. */
export function decodePem(label: string, text: string): Uint8Array<ArrayBuffer>[] {
  return [...text.matchAll(BLOCK)]
    .filter(([, found]) => found === label)
    .map(([, , body]) => Uint8Array.from(Buffer.from(body ?? '', 'base64')));
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
