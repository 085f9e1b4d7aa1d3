/** The port of proxies: who may connect, which pod a stream belongs to, and who is connected. Services stand on it. */
export { ProxyPort, type ProxyPortOptions } from './port.js';
export { frontProgram, type Front, type RunningFront, type StartFront } from './front/index.js';
export type { AdmittedStream, ProxyService, ProxyStream, StreamHandler } from './service.js';
export { TrustTally, type Straggler, type TrustInUse, type TrustStanding } from './trust-tally.js';
