/** The dashboard: a page on an engineer's own machine that shows the mesh as the cluster and its proxies tell it. */
export { startDashboard, DEFAULT_PORT, type DashboardOptions, type RunningDashboard } from './server.js';
export { eachPod, readPodMetrics } from './pod-metrics.js';
export { shortIdentity } from './identity-name.js';
export { bundledWebAssets, type WebAssets } from './web-assets.js';
export type { MeshView } from './mesh-view.js';
