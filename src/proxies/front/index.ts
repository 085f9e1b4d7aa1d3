/** The front of the port for proxies: a process that ends TLS and HTTP/2, and hands streams to this one (ADR 15). */
export type { Untrusted } from './frames.js';
export { frontProgram, type Front, type StartFront } from './program.js';
export type { FrontMethod } from './front-stream.js';
export { measureFront } from './process-metrics.js';
export { startFront, type RunningFront } from './start-front.js';
