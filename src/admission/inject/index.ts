/** Injection of the proxy into pods. */
export { injectionHandler, type InjectionOptions } from './handler.js';
export type { InjectionSettings, Namespace, NamespaceLookup, ProxyResources } from './settings.js';
