/** The webhook: decides which pods get a proxy, and gives it to them. It reads no cluster and writes none. */
export {
  startWebhook,
  type CertificateSource,
  type RunningWebhook,
  type ServingCertificate,
  type WebhookOptions,
} from './server.js';
export type { InjectionSettings, NamespaceLookup, ProxyResources } from './inject/index.js';
