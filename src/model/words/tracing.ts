import type { AskedService } from './asked-service.js';
import type { Portion } from './route-actions.js';

/** What the mesh wants told of requests as traces. */
export interface Tracing {
  /** The Service that is told. */
  readonly service: { readonly namespace: string; readonly name: string; readonly port: number };
  readonly protocol: 'grpc' | 'http';
  /** How many of the traces that begin in a proxy. */
  readonly sampling: Portion;
}

/** The same as a pod is told of it. */
export interface PodTracing {
  /** Who is told; absent: nobody can be. */
  readonly asks?: AskedService;
  readonly protocol: Tracing['protocol'];
  readonly sampling: Portion;
}
