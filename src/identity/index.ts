/** Who a workload is, and the certificates that say so. */

// Serving
export { startIdentityServer, type IdentityServerOptions } from './server.js';
export { Authority, type AuthorityOptions, type Certified, type CertifyInput } from './authority.js';
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

// The CA, for the leader
export {
  createIssuer,
  createRoot,
  mergeBundle,
  nextTrustStep,
  parseIssuer,
  type CaMaterial,
  type IssuerMaterial,
  type IssuerSecret,
  type TrustStep,
} from './ca-bootstrap.js';

// Names
export { formatSpiffeId, parseSpiffeId, spiffeIdOfSan, type SpiffeId } from './spiffe-id.js';
