/** Ground floor: what every room may use. */
export * as names from './names.js';
export { MeshError, type ErrorCode } from './error.js';
export { createLogger, type Logger, type LogLevel } from './log.js';
export { Metrics, type Counter, type Gauge, type Histogram } from './metrics.js';
export { builtPart } from './built-part.js';
export { backoffMs, jittered, pause, sleep, untilAborted, type BackoffOptions } from './backoff.js';
export { systemClock, type Clock } from './clock.js';
export { compareQuantities, isQuantity, quantityAmount } from './quantity.js';
export { asksOutside } from './name-servers.js';
export { LogSampler, cut } from './log-sampler.js';
export { Pulse, type Looks } from './pulse.js';
export { RateLimit } from './rate-limit.js';
export { Shutdown } from './shutdown.js';
export { watched, type Settable, type Watched } from './watched.js';
export { portOf } from './port-of.js';
export { joinSums, memberNumber, memberSum, type MemberSum } from './member-sum.js';
export { certificateBlocks } from './certificate-blocks.js';
export { SetMap } from './set-map.js';
