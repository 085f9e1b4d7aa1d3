import { ISSUER_LIFE_MS, ISSUER_NAME, ROOT_NAME, mergeBundle, renewAt } from './ca-bootstrap.js';
import { parseCertificate } from './issue.js';
import {
  AuthorityKeyIdentifierExtension,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
} from './x509.js';

/**
 * From a trust bundle being written to the moment by which every proxy has it: the leader looks at each namespace every two to
 * three minutes, and kubelets refresh a mounted ConfigMap within two.
 */
export const BUNDLE_TRAVELS_MS = 5 * 60_000;

/** What the leader must do about the CA now. */
export type TrustStep =
  | { readonly kind: 'none'; readonly renewAt: number }
  /** What we did not make we do not touch; `problem` says what its owner must do. */
  | { readonly kind: 'foreign'; readonly problem: string | undefined }
  | { readonly kind: 'create-root'; readonly why: string }
  /** Have the root trusted everywhere before anything under it is shown. */
  | { readonly kind: 'announce-root'; readonly why: string }
  | { readonly kind: 'create-issuer'; readonly why: string };

/** What lies in Secret `weft-issuer`, in PEM, without its key. */
export interface IssuerFacts {
  readonly certificate: string;
  readonly roots: string;
  /** When the newest root was added to `roots`, in milliseconds since 1970; undefined: nobody wrote it down. */
  readonly announcedAt: number | undefined;
}

/**
 * Decides from what is in the Secrets; undefined: there is none. An issuer is renewed at 60 % of its life: no draw here,
 * because every call must come to the same answer. A root is replaced while it still lasts as long as an issuer does, and
 * the new one is trusted everywhere before it signs anything.
 */
export function nextTrustStep(
  root: string | undefined,
  issuer: IssuerFacts | undefined,
  now: number,
): TrustStep {
  if (root === undefined) return { kind: 'create-root', why: 'there is no root yet' };
  const parsed = parseCertificate(root, 'the root');
  const ends = parsed.notAfter.getTime();
  const isOurs = isNamed(parsed, ROOT_NAME);
  if (ends - now < ISSUER_LIFE_MS && isOurs)
    return { kind: 'create-root', why: `the root ends at ${parsed.notAfter.toISOString()}` };
  if (ends <= now)
    return { kind: 'foreign', problem: `the root ended at ${parsed.notAfter.toISOString()}; bring another` };
  if (issuer === undefined) return { kind: 'create-issuer', why: 'there is no issuer yet' };
  return stepUnder({ pem: root, certificate: parsed }, issuer, now);
}

function stepUnder(
  root: { readonly pem: string; readonly certificate: X509Certificate },
  { certificate: pem, roots, announcedAt }: IssuerFacts,
  now: number,
): TrustStep {
  const issuer = parseCertificate(pem, 'the issuer');
  const isOver = issuer.notAfter.getTime() <= now;
  if (!isNamed(issuer, ISSUER_NAME)) return { kind: 'foreign', problem: foreignProblem(issuer, now) };
  if (!isUnder(issuer, root.certificate)) {
    const why = 'the root was replaced';
    if (isOver) return { kind: 'create-issuer', why };
    if (!mergeBundle([roots], 0).includes(mergeBundle([root.pem], 0))) return { kind: 'announce-root', why };
    const travelled = (announcedAt ?? 0) + BUNDLE_TRAVELS_MS;
    return now < travelled ? { kind: 'none', renewAt: travelled } : { kind: 'create-issuer', why };
  }
  const at = renewAt(issuer.notBefore, issuer.notAfter, () => 0.5);
  if (now < at) return { kind: 'none', renewAt: at };
  // A root that somebody brought cannot give the issuer a longer life than it has.
  if (issuer.notAfter >= root.certificate.notAfter)
    return { kind: 'none', renewAt: issuer.notAfter.getTime() };
  const why = `the issuer of ${issuer.notBefore.toISOString()} has lived more than 60 % of its life`;
  return { kind: 'create-issuer', why };
}

function foreignProblem({ notBefore, notAfter }: X509Certificate, now: number): string | undefined {
  if (now < renewAt(notBefore, notAfter, () => 0.75)) return undefined;
  const when = notAfter.getTime() <= now ? 'ended' : 'ends';
  return `the issuer ${when} at ${notAfter.toISOString()} and was not made by Weft, which therefore does not renew it; bring another`;
}

function isNamed(certificate: X509Certificate, prefix: string): boolean {
  return certificate.subject.startsWith(`CN=${prefix}`);
}

/** By the key that the one names and the other has; the names of all our roots are alike. */
function isUnder(issuer: X509Certificate, root: X509Certificate): boolean {
  const wanted = issuer.getExtension(AuthorityKeyIdentifierExtension)?.keyId;
  const has = root.getExtension(SubjectKeyIdentifierExtension)?.keyId;
  return wanted === undefined || has === undefined ? issuer.issuer === root.subject : wanted === has;
}
