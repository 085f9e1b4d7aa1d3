/** The one wall around Kubernetes: requests, caches, writes, and nothing that knows what a mesh is. */
export { mayI, type Right } from './access-review.js';
export { groupOf } from './api-group.js';
export { connectKube, connectPlain, KubeClient, type ConnectOptions, type KubeRequest } from './client.js';
export { createKubeClientMetrics, type KubeClientMetrics } from './client-metrics.js';
export { WriteRate } from './write-rate.js';
export { controllerOf, type RawObject } from './keep.js';
export { isNotFound, orUndefined, reasonOf } from './errors.js';
export { EventRecorder, type EventNote, type EventTarget } from './events.js';
export type { ExecRequest } from './exec.js';
export { Informer, type AnyInformer, type InformerOptions, type InformerTiming } from './informer.js';
export { NamespacedInformer, type NamespacedInformerOptions } from './namespaced-informer.js';
export { createInformerMetrics, type InformerMetrics } from './informer-metrics.js';
export {
  LeaseElection,
  createLeaseMetrics,
  type LeaseMetrics,
  type LeaseOptions,
  type LeaseTiming,
} from './lease.js';
export type {
  BackendPolicyObject,
  Condition,
  CaBundleObject,
  ConfigMap,
  ContainerPort,
  CustomObject,
  EndpointSlice,
  KubeObject,
  MeshObject,
  Namespace,
  Node,
  ObjectMeta,
  OwnerReference,
  Pod,
  PodCertificateRequest,
  ReferenceGrant,
  RouteObject,
  Secret,
  Service,
  ServicePort,
  SliceEndpoint,
  WebhookConfiguration,
  WebhookEntry,
} from './objects.js';
export { createQueueMetrics, terminalOn, type Outcome, type QueueMetrics } from './queue.js';
export { reconcile, storeSource, watchedSource, type Reconciler, type Source } from './reconcile.js';
export { Resources, ownResource, resourcePath, type Resource } from './resource.js';
export { Store, objectKey, splitKey, type Change, type ObjectKey, type ReadonlyStore } from './store.js';
export { superviseInformers, type SuperviseOptions } from './supervise.js';
export { tokenReviewer, type TokenReviewStatus } from './token-review.js';
export { workloadOwner } from './workload-owner.js';
export {
  applyObject,
  createObject,
  deleteObject,
  evictPod,
  getObject,
  jsonPatchObject,
  listObjects,
  mergeStatus,
  type Manifest,
} from './write.js';
