import { X509Certificate } from 'node:crypto';
import { certificateBlocks } from '../../base/index.js';

/** Certificates of authorities: what a ConfigMap has under `ca.crt`, or a ClusterTrustBundle. */
export interface CaBundle {
  /** Empty for a ClusterTrustBundle, which is in none. */
  readonly namespace: string;
  readonly name: string;
  readonly pem: string;
}

/** What a bundle is known by: `<namespace>/<name>`, or its name. */
export function bundleKey({ namespace, name }: Pick<CaBundle, 'namespace' | 'name'>): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}

const read = new WeakMap<CaBundle, readonly Uint8Array[]>();

/** The certificates (DER) in a bundle; a block that is none is left out. Read when they are first asked for: most are never. */
export function certificatesIn(bundle: CaBundle): readonly Uint8Array[] {
  const known = read.get(bundle);
  if (known !== undefined) return known;
  const certificates = certificateBlocks(bundle.pem).flatMap((block) => toCertificate(block) ?? []);
  read.set(bundle, certificates);
  return certificates;
}

function toCertificate(block: string): Uint8Array | undefined {
  try {
    return new Uint8Array(new X509Certificate(block).raw);
  } catch {
    return undefined;
  }
}
