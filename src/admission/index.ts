/** The webhook: decides which pods get a proxy, and gives it to them. It reads no cluster and writes none. */
export { bundledWebhookThread } from './thread/code.js';
export { startWebhookThread, type NamespaceSource, type WebhookThread } from './thread/webhook-thread.js';
export { reviewMetrics } from './review-metrics.js';
export {
  startWebhook,
  type CertificateSource,
  type RunningWebhook,
  type ServingCertificate,
  type WebhookOptions,
} from './server.js';
export {
  injectionHandler,
  type CaptureMode,
  type InjectionSettings,
  type Namespace,
  type NamespaceLookup,
  type ProxyResources,
} from './inject/index.js';
export type { Outcome } from './review.js';
