/** Configuration for proxies: delta ADS over mutual TLS. */
export { startConfigServer, type ConfigServer, type ConfigServerOptions } from './server.js';
export type { AckSummary } from './acks.js';
