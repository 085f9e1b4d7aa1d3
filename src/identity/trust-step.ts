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

/** A webhook whose caBundle has just changed is trusted by every API server after this time. */
const WEBHOOK_TRAVELS_MS = 10_000;

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
 * How far the newest root has come: every proxy, every replica and the webhook trust it; some proxy or replica is known not to; or
 * nobody knows, and time has to tell.
 */
export type Reach = 'everywhere' | 'lacking' | 'unknown';

/** What somebody has asked for, beside what the time demands. */
export interface TrustWish {
  readonly replaceRoot: boolean;
  readonly replaceIssuer: boolean;
  /** Also where Weft did not make it. */
  readonly takeOver: boolean;
}

export interface TrustCircumstances {
  readonly wish?: TrustWish | undefined;
  readonly reach?: Reach | undefined;
}

const NO_WISH: TrustWish = { replaceRoot: false, replaceIssuer: false, takeOver: false };

/**
 * Decides from what is in the Secrets; undefined: there is none. An issuer is renewed at 60 % of its life: no draw here,
 * because every call must come to the same answer. A root is replaced while it still lasts as long as an issuer does, and
 * the new one is trusted everywhere before it signs anything.
 */
export function nextTrustStep(
  root: string | undefined,
  issuer: IssuerFacts | undefined,
  now: number,
  { wish = NO_WISH, reach = 'unknown' }: TrustCircumstances = {},
): TrustStep {
  if (root === undefined) return { kind: 'create-root', why: 'there is no root yet' };
  const parsed = parseCertificate(root, 'the root');
  const another = rootStep(parsed, wish, now);
  if (another !== undefined) return another;
  if (issuer === undefined) return { kind: 'create-issuer', why: 'there is no issuer yet' };
  return stepUnder({ pem: root, certificate: parsed }, issuer, now, { wish, reach });
}

/** Undefined: the root is good. */
function rootStep(root: X509Certificate, wish: TrustWish, now: number): TrustStep | undefined {
  const ends = root.notAfter.getTime();
  const isOurs = isNamed(root, ROOT_NAME);
  if (wish.replaceRoot && (isOurs || wish.takeOver))
    return { kind: 'create-root', why: 'another was asked for' };
  if (ends - now < ISSUER_LIFE_MS && isOurs)
    return { kind: 'create-root', why: `the root ends at ${root.notAfter.toISOString()}` };
  if (ends <= now)
    return { kind: 'foreign', problem: `the root ended at ${root.notAfter.toISOString()}; bring another` };
  return undefined;
}

interface Root {
  readonly pem: string;
  readonly certificate: X509Certificate;
}

interface Circumstances {
  readonly wish: TrustWish;
  readonly reach: Reach;
}

function stepUnder(root: Root, facts: IssuerFacts, now: number, { wish, reach }: Circumstances): TrustStep {
  const issuer = parseCertificate(facts.certificate, 'the issuer');
  if (!isNamed(issuer, ISSUER_NAME) && !wish.takeOver)
    return { kind: 'foreign', problem: foreignProblem(issuer, now) };
  if (!isUnder(issuer, root.certificate)) return stepToRoot(root, facts, now, reach);
  if (wish.replaceIssuer) return { kind: 'create-issuer', why: 'another was asked for' };
  const at = renewAt(issuer.notBefore, issuer.notAfter, () => 0.5);
  if (now < at) return { kind: 'none', renewAt: at };
  // A root that somebody brought cannot give the issuer a longer life than it has.
  if (issuer.notAfter >= root.certificate.notAfter)
    return { kind: 'none', renewAt: issuer.notAfter.getTime() };
  const why = `the issuer of ${issuer.notBefore.toISOString()} has lived more than 60 % of its life`;
  return { kind: 'create-issuer', why };
}

/** From an issuer under another root to one under this. */
function stepToRoot(
  root: Root,
  { certificate, roots, announcedAt }: IssuerFacts,
  now: number,
  reach: Reach,
): TrustStep {
  const why = 'the root was replaced';
  const isOver = parseCertificate(certificate, 'the issuer').notAfter.getTime() <= now;
  if (isOver) return { kind: 'create-issuer', why };
  if (!mergeBundle([roots], 0).includes(mergeBundle([root.pem], 0))) return { kind: 'announce-root', why };
  const travelled = (announcedAt ?? 0) + (reach === 'everywhere' ? WEBHOOK_TRAVELS_MS : BUNDLE_TRAVELS_MS);
  return now < travelled || reach === 'lacking'
    ? { kind: 'none', renewAt: travelled }
    : { kind: 'create-issuer', why };
}

function foreignProblem({ notBefore, notAfter }: X509Certificate, now: number): string | undefined {
  if (now < renewAt(notBefore, notAfter, () => 0.75)) return undefined;
  const when = notAfter.getTime() <= now ? 'ended' : 'ends';
  return `the issuer ${when} at ${notAfter.toISOString()} and was not made by Weft, which therefore does not renew it; bring another`;
}

/** Whether the certificate is a root, or an issuer, that Weft made. */
export function isOfWeft(pem: string, what: 'root' | 'issuer'): boolean {
  return isNamed(parseCertificate(pem, `the ${what}`), what === 'root' ? ROOT_NAME : ISSUER_NAME);
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
