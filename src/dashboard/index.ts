/** The dashboard: a page on an engineer's own machine that shows the mesh as the cluster and its proxies tell it. */
export { startDashboard, DEFAULT_PORT, type DashboardOptions, type RunningDashboard } from './server.js';
export { eachPod, podMetricsText, readPodMetrics } from './pod-metrics.js';
export { parsePrometheus } from './prometheus.js';
export { shortIdentity } from './identity-name.js';
export { bundledWebAssets, type WebAssets } from './web-assets.js';
export { OTHER_CALLER, PLAIN_CALLER, type AccessCell, type AccessView, type May } from './access-view.js';
export type { FindingView, FindingsView } from './findings-view.js';
export type { Knowledge } from './knowledge.js';
export type { MeshView } from './mesh-view.js';
export { TAP_VERDICTS, type TapLine, type TapQuestion, type Tapped } from './tap-view.js';
