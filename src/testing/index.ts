/** What tests stand on: real sockets, few words. */
export { meshContainers } from './meshed-pod.js';
export { ApiServer, type StoredObject } from './api-server.js';
export { eventually } from './eventually.js';
export { untilPasses } from './until-passes.js';
export { webhooksOfChart, type WebhookOfChart } from './webhooks-of-chart.js';
