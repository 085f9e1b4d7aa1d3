/** Injection of the proxy into pods. */
export { injectionHandler, type InjectionOptions } from './handler.js';
export type {
  CaptureMode,
  InjectionSettings,
  Namespace,
  NamespaceLookup,
  PodCertificates,
  ProxyResources,
} from './settings.js';
