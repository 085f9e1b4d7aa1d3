/** Configuration for proxies, by delta ADS. */
export { ConfigService, type ConfigServiceOptions } from './config-service.js';
export type { Rejection } from './acks.js';
export type { AckSummary, Outlier } from './policy-acks.js';
