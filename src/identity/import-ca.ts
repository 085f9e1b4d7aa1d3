import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { MeshError } from '../base/index.js';
import { isSignedByOneOf, parseIssuer, type IssuerSecret } from './ca-bootstrap.js';
import { structuralProblem } from './ca-checks.js';
import { certificatePem } from './issue.js';
import { decodePem } from './pem.js';
import { readPkcs12 } from './pkcs12.js';
import { BasicConstraintsExtension, X509Certificate } from './x509.js';

/** A CA as somebody brings it: a PKCS#12 file, or PEM. */
export interface BroughtCa {
  /** PKCS#12, with the issuer, its key, and the root. */
  readonly pkcs12?: Uint8Array | undefined;
  /** PEM of the issuer; roots may stand behind it. */
  readonly certificate?: string | undefined;
  /** PEM of its key: PKCS#8 or SEC 1, encrypted or not. */
  readonly privateKey?: string | undefined;
  /** PEM of roots that are not in the others. */
  readonly roots?: string | undefined;
  /** Of the PKCS#12 file, or of the key. */
  readonly password?: string | undefined;
}

const DAY_MS = 24 * 3_600_000;
/** An issuer that ends sooner is a trap: nobody has noticed by then. */
const LEAST_DAYS_LEFT = 7;
const NAME_CONSTRAINTS = '2.5.29.30';

/**
 * Reads a CA that somebody brings into what the authority signs with, in the form of Secret `weft-issuer`. Throws `invalid` with
 * everything that is wrong with it; `source` names it there. `now` in milliseconds since 1970.
 */
export async function importCa(brought: BroughtCa, source: string, now: number): Promise<IssuerSecret> {
  const { certificates, privateKey } = await read(brought, source);
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const issuer = certificates.find((one) => publicKey.equals(new Uint8Array(one.publicKey.rawData)));
  if (issuer === undefined) {
    const subjects = certificates.map(({ subject }) => `"${subject}"`).join(', ');
    throw new MeshError(
      'invalid',
      `${source}: the private key belongs to none of the certificates (${subjects})`,
    );
  }
  const roots = certificates.filter((one) => one.subject === one.issuer && isCa(one));
  const problems = [
    ...keyProblems(privateKey),
    ...issuerProblems(issuer, now),
    ...(await rootProblems(issuer, roots, now)),
  ];
  if (problems.length > 0) throw new MeshError('invalid', `${source}: ${problems.join('; ')}`);
  const secret = {
    'tls.crt': certificatePem(issuer),
    'tls.key': privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    'ca.crt': roots.map(certificatePem).join(''),
  };
  // By the code that will read it, as the last word.
  await parseIssuer(secret, source);
  return secret;
}

async function read(
  { pkcs12, certificate = '', privateKey, roots = '', password }: BroughtCa,
  source: string,
): Promise<{ certificates: X509Certificate[]; privateKey: KeyObject }> {
  if (pkcs12 === undefined) {
    if (privateKey === undefined) throw new MeshError('invalid', `${source}: there is no private key`);
    return {
      certificates: parseAll(certificate + roots, source),
      privateKey: parseKey(privateKey, password, source),
    };
  }
  if (password === undefined)
    throw new MeshError('invalid', `${source}: a PKCS#12 file needs its password, in the key password`);
  const found = await readPkcs12(pkcs12, password, source);
  const [key, ...more] = found.privateKeys;
  if (key === undefined || more.length > 0) {
    const count = key === undefined ? 'no private key' : `${more.length + 1} private keys`;
    throw new MeshError('invalid', `${source}: holds ${count}; give a file with one`);
  }
  return {
    certificates: parseAll(found.certificates.join('') + roots, source),
    privateKey: parseKey(key, undefined, source),
  };
}

function parseAll(pem: string, source: string): X509Certificate[] {
  // The root may stand in the file and beside it.
  const found = [...new Map(decodePem('CERTIFICATE', pem).map((der) => [der.toString(), der])).values()];
  if (found.length === 0) throw new MeshError('invalid', `${source}: there is no certificate`);
  return found.map((der) => {
    try {
      return new X509Certificate(der);
    } catch (cause) {
      throw new MeshError('invalid', `${source}: holds something that is not an X.509 certificate`, {
        cause,
      });
    }
  });
}

/** OpenSSL decrypts PKCS#8 by itself, which node-forge would do in JavaScript. */
function parseKey(pem: string, password: string | undefined, source: string): KeyObject {
  const isEncrypted = /ENCRYPTED/.test(pem);
  if (isEncrypted && password === undefined)
    throw new MeshError(
      'invalid',
      `${source}: the private key is encrypted; give its password, in the key password`,
    );
  try {
    return createPrivateKey({ key: pem, format: 'pem', ...(isEncrypted ? { passphrase: password } : {}) });
  } catch (cause) {
    const why = isEncrypted
      ? 'cannot be decrypted: the password is wrong, or its cipher is one that OpenSSL no longer reads; write it again with openssl pkcs8 -topk8 -v2 aes-256-cbc'
      : 'cannot be read; give PKCS#8 in PEM, as openssl pkcs8 -topk8 writes it';
    throw new MeshError('invalid', `${source}: the private key ${why}`, { cause });
  }
}

function keyProblems(key: KeyObject): string[] {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ec' && details?.namedCurve === 'prime256v1') return [];
  const what =
    type === 'ec' ? `of the curve ${details?.namedCurve ?? 'unknown'}` : `of type ${type ?? 'unknown'}`;
  return [
    `the private key is ${what}, and the mesh signs with ECDSA on P-256; give an intermediate CA with such a key`,
  ];
}

function issuerProblems(issuer: X509Certificate, now: number): string[] {
  const structural = structuralProblem(issuer);
  const constrained = issuer.extensions.some(({ type }) => type === NAME_CONSTRAINTS);
  return [
    ...(structural === undefined ? [] : [`the certificate "${issuer.subject}" ${structural}`]),
    ...dateProblems(issuer, LEAST_DAYS_LEFT, now),
    ...(constrained
      ? [
          `"${issuer.subject}" has name constraints, which would refuse the names of workloads or of the webhook`,
        ]
      : []),
  ];
}

async function rootProblems(
  issuer: X509Certificate,
  roots: readonly X509Certificate[],
  now: number,
): Promise<string[]> {
  if (!(await isSignedByOneOf(roots.map(certificatePem).join(''), issuer))) {
    return [
      `none of its roots signed "${issuer.subject}": add the certificate of "${issuer.issuer}", in the key ca.crt; it must be a root itself, because chains of several intermediates are not supported`,
    ];
  }
  return roots.flatMap((root) => [
    ...dateProblems(root, LEAST_DAYS_LEFT, now),
    ...(root !== issuer && root.getExtension(BasicConstraintsExtension)?.pathLength === 0
      ? [`the root "${root.subject}" permits no CA below it (path length 0)`]
      : []),
    ...weakness(root),
  ]);
}

function weakness(root: X509Certificate): string[] {
  const key = createPublicKey({ key: Buffer.from(root.publicKey.rawData), type: 'spki', format: 'der' });
  const bits = key.asymmetricKeyDetails?.modulusLength;
  return bits !== undefined && bits < 2_048
    ? [`the key of the root "${root.subject}" is weak: RSA of ${bits} bits, of 2,048 that it needs at least`]
    : [];
}

function dateProblems(
  { subject, notBefore, notAfter }: X509Certificate,
  leastDays: number,
  now: number,
): string[] {
  if (notBefore.getTime() > now) return [`"${subject}" is not valid before ${notBefore.toISOString()}`];
  if (notAfter.getTime() <= now) return [`"${subject}" expired at ${notAfter.toISOString()}`];
  if (notAfter.getTime() - now < leastDays * DAY_MS)
    return [`"${subject}" ends at ${notAfter.toISOString()}, in less than ${leastDays} days`];
  return [];
}

function isCa(certificate: X509Certificate): boolean {
  return certificate.getExtension(BasicConstraintsExtension)?.ca === true;
}
