/** Follows the cluster, and, on the replica that leads, writes to it. */
export { OwnAcks, publishAcks, type AckSource, type OwnPod } from './acks.js';
export {
  createClusterView,
  refusedKinds,
  runClusterView,
  unsettledKinds,
  viewSettled,
  type ClusterView,
} from './cluster-view.js';
export { hasOurProxy, readExternalService } from './collect/index.js';
export { Kinds, ownKinds, type KindRow, type OwnKind } from './kinds/index.js';
export { Collector } from './collector.js';
export { startHealthServer, type ReadinessCheck } from './health-server.js';
export { countAbsences, type Absences } from './absences.js';
export { proxyAbsence } from './injection-events.js';
export { namesRevision } from './revision.js';
export { followIssuer, trustStanding } from './issuer.js';
export { leaderWork, type LeaderOptions } from './leader.js';
export { Peers } from './peers.js';
export { readAccess, type AccessReading } from './read-access.js';
export {
  ROTATION,
  ROTATION_MAP,
  isHeardOf,
  isOver,
  isRotating,
  requestData,
  type RotationRequest,
  type RotationStatus,
} from './rotation/index.js';
export { isOfMesh, meshKinds, stillMesh, type StillMesh } from './still-mesh.js';
export { serviceNotes } from './service-events.js';
export { ISSUER_SECRET, ROOT_SECRET } from './trust-secrets.js';
export { LAST_KNOWN, settingsMap, type LastKnown } from './last-known/index.js';
export { measureSettings } from './settings-metrics.js';
export { isAtLeast, podCertificateObstacle } from './pod-certificate-obstacle.js';
export { untilWebhookTrusted } from './webhook-ca.js';
export { ownWebhooks, webhookDeviations, webhookEntries } from './webhook-entries.js';
export { reporterOf } from './reporter-of.js';
