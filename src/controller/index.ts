/** Follows the cluster, and, on the replica that leads, writes to it. */
export { OwnAcks, publishAcks, type AckSource, type OwnPod } from './acks.js';
export { createClusterView, runClusterView, viewSynced, type ClusterView } from './cluster-view.js';
export { isMeshed } from './collect/index.js';
export { Collector } from './collector.js';
export { startHealthServer, type ReadinessCheck } from './health-server.js';
export { countAbsences, proxyAbsence } from './injection-events.js';
export { followIssuer } from './issuer.js';
export { leaderWork, type LeaderOptions } from './leader.js';
export { ISSUER_SECRET } from './trust-secrets.js';
export { untilWebhookTrusted } from './webhook-ca.js';
