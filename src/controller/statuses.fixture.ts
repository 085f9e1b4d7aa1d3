import { Metrics, createLogger } from '../base/index.js';
import { connectPlain, createQueueMetrics } from '../kube/index.js';
import { DEFAULT_SETTINGS } from '../model/index.js';
import type { ApiServer } from '../testing/api-server.js';
import { OwnAcks } from './acks.js';
import { createClusterView } from './cluster-view.js';
import { Collector } from './collector.js';
import type { Kinds } from './kinds/index.js';
import { Peers } from './peers.js';
import { writeStatuses } from './status-writer.js';

/** A replica that leads, sees these kinds only, and does nothing but keep their statuses. */
export function keepStatuses(
  server: ApiServer,
  kinds: readonly (keyof Kinds)[],
  signal: AbortSignal,
): { readonly collector: Collector; readonly running: Promise<unknown> } {
  const client = connectPlain(server.url);
  const log = createLogger({ level: 'silent' });
  const installation = { systemNamespace: 'weft-system', revision: 'default' };
  const view = createClusterView({ client, ...installation, log, metrics: new Metrics() });
  const collector = new Collector({ view, installed: DEFAULT_SETTINGS, log });
  collector.attach();
  const replicas = { own: new OwnAcks(), peers: new Peers({ view, pod: undefined, ...installation }) };
  const queueMetrics = createQueueMetrics(new Metrics());
  const options = { client, view, collector, ...replicas, revision: 'default', log, queueMetrics };
  const running = Promise.all([
    ...kinds.map((kind) => view[kind].run(signal)),
    writeStatuses(options, signal),
  ]);
  return { collector, running };
}
