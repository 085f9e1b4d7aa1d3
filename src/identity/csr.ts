import { importPublicKey } from './keys.js';
import { refused, type Refusal } from './refusal.js';
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from './x509.js';

const MAX_CSR_BYTES = 8_192;
const SAN = '2.5.29.17';

/**
 * The public key of a request, once it is on P-256, the request is signed with it, and it asks for no name but
 * `identity`. What else it asks for (uses, CA rights) is not looked at: nothing of a request but its key is copied.
 */
export async function checkCsr(
  der: Uint8Array,
  identity: string,
): Promise<{ readonly kind: 'fine'; readonly publicKey: CryptoKey } | Refusal> {
  const csr = parse(der);
  if (csr === undefined)
    return refused('csr-invalid', `not a PKCS#10 request in DER of at most ${MAX_CSR_BYTES} bytes`);
  let publicKey: CryptoKey;
  try {
    publicKey = await importPublicKey(csr.publicKey.rawData);
  } catch {
    return refused('csr-key', 'the public key must be ECDSA on P-256');
  }
  const signed = await csr.verify().catch(() => false);
  if (!signed)
    return refused('csr-signature', 'the request is not signed with the key it asks a certificate for');
  const other = foreignName(csr, identity);
  if (other !== undefined)
    return refused('csr-name', `the request asks for ${other}, but its pod is ${identity}`);
  return { kind: 'fine', publicKey };
}

function parse(der: Uint8Array): Pkcs10CertificateRequest | undefined {
  if (der.length === 0 || der.length > MAX_CSR_BYTES) return undefined;
  try {
    const csr = new Pkcs10CertificateRequest(Uint8Array.from(der));
    // Parsed lazily: asking for what is read later makes every malformed part show here.
    csr.getExtensions(SAN);
    return csr.subject.length + csr.publicKey.rawData.byteLength > 0 ? csr : undefined;
  } catch {
    return undefined;
  }
}

/** The first name that is not the identity, for a person to read. */
function foreignName(csr: Pkcs10CertificateRequest, identity: string): string | undefined {
  if (csr.subject !== '' && csr.subject !== `CN=${identity}`)
    return `the subject "${csr.subject.slice(0, 200)}"`;
  for (const extension of csr.getExtensions(SAN)) {
    const names = new SubjectAlternativeNameExtension(extension.rawData).names.items;
    const foreign = names.find((name) => name.type !== 'url' || name.value !== identity);
    if (foreign !== undefined) return `the ${foreign.type} name "${foreign.value.slice(0, 200)}"`;
  }
  return undefined;
}
