import type { Collector, PodCollector } from './collector.js';
import type { Portion } from './route-actions.js';

/** What the mesh wants told of requests as traces. */
export interface Tracing extends Collector {
  /** How many of the traces that begin in a proxy. */
  readonly sampling: Portion;
}

/** The same as a pod is told of it. */
export interface PodTracing extends PodCollector {
  readonly sampling: Portion;
}
