/** Who a workload is, and the certificates that say so. */

// Serving
export { startIdentityServer, type IdentityServerOptions } from './server.js';
export { Authority, type AuthorityOptions, type CertifyInput } from './authority.js';
export type { Certified } from './certified.js';
export {
  isFinal,
  PodSigner,
  type PlacedPod,
  type PodSignerOptions,
  type SignedForKubelet,
} from './pod-signer.js';
export { identityMetrics } from './metrics.js';
export { encodePem } from './pem.js';
export { judgeReview, type ProvenPod, type TokenReviewer, type TokenReviewStatus } from './token-review.js';
export {
  checkPod,
  podDirectory,
  type KnownPod,
  type PodCheck,
  type PodClaim,
  type PodDirectory,
} from './pod-directory.js';
export { REFUSAL_STATUS, refused, type Refusal, type RefusalReason } from './refusal.js';

// The control plane's own certificates
export {
  controlPlaneName,
  issueCertificate,
  keepOwnCertificate,
  webhookName,
  type OwnCertificate,
  type OwnCertificateOptions,
} from './own-certificate.js';

export { watchExpiry } from './expiry.js';
export { livesOf, type AuthorityLives, type CertificateLife } from './lives.js';

// The CA, for the leader
export {
  createIssuer,
  createOfflineIssuer,
  createOfflineRoot,
  createRoot,
  isSignedByOneOf,
  mergeBundle,
  parseIssuer,
  type CaMaterial,
  type IssuerMaterial,
  type IssuerSecret,
} from './ca-bootstrap.js';
export {
  BUNDLE_TRAVELS_MS,
  isOfWeft,
  nextTrustStep,
  type IssuerFacts,
  type Reach,
  type TrustStep,
  type TrustWish,
} from './trust-step.js';
export {
  fingerprintOf,
  fingerprintsOf,
  keyIdOf,
  signerIn,
  signerKeyIdOf,
  withoutRoot,
} from './fingerprint.js';
export { LEAF_LIFE_MS, describeCertificate, validSince } from './issue.js';
export { importCa, type BroughtCa } from './import-ca.js';

// Names
export { formatSpiffeId, parseSpiffeId, spiffeIdOfSan, type SpiffeId } from './spiffe-id.js';
