import { X509Certificate } from 'node:crypto';

/** What a ConfigMap has under `ca.crt`. */
export interface CaBundle {
  readonly namespace: string;
  readonly name: string;
  readonly pem: string;
}

const read = new WeakMap<CaBundle, readonly Uint8Array[]>();

/** The certificates (DER) in a bundle; a block that is none is left out. Read when they are first asked for: most are never. */
export function certificatesIn(bundle: CaBundle): readonly Uint8Array[] {
  const known = read.get(bundle);
  if (known !== undefined) return known;
  const blocks = bundle.pem.match(BLOCK) ?? [];
  const certificates = blocks.flatMap((block) => toCertificate(block) ?? []);
  read.set(bundle, certificates);
  return certificates;
}

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

function toCertificate(block: string): Uint8Array | undefined {
  try {
    return new Uint8Array(new X509Certificate(block).raw);
  } catch {
    return undefined;
  }
}
