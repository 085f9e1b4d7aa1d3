/** What proxies tell of their traffic: taken in, kept for half an hour, and shown to those who may look. */
export type { Authorities, CertificateLife } from './authority.js';
export type { EdgeTls, Reporter } from './edge.js';
export { COUNTS, Counted, LATENCIES, LATENCY_BOUNDS_MS } from './measures.js';
export {
  byBackend,
  byCall,
  byNamespace,
  byRoute,
  byService,
  byShare,
  byWorkload,
  type Call,
  type RouteRow,
  type Row,
  type ShareRow,
} from './group.js';
export type { HistoryView } from './history.js';
export { countedIn, type Signals } from './numbers.js';
export { Replicas, type Minutes, type SeenEdge, type Traffic } from './replicas.js';
export { ReportService, type ReportServiceOptions } from './report-service.js';
export { startViewServer, type ViewServerOptions } from './view-server.js';
export { Viewers } from './viewers.js';
export {
  WINDOWS_MS,
  isWindowName,
  trafficView,
  type TrafficEdge,
  type TrafficView,
  type WindowName,
} from './view.js';
