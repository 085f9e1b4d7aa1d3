import type { MeshConfig } from '../../api/index.js';
import type { Collector } from '../words/collector.js';

/** Who is told by OTLP, in the words of the model. */
export function translateCollector({
  service,
  protocol,
}: NonNullable<MeshConfig['spec']['tracing']>['collector']): Collector {
  return { service, protocol: protocol === 'HTTP' ? 'http' : 'grpc' };
}
