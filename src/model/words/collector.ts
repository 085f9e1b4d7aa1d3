import type { AskedService } from './asked-service.js';

/** An OpenTelemetry Collector, as the owner of the mesh names it. */
export interface Collector {
  readonly service: { readonly namespace: string; readonly name: string; readonly port: number };
  readonly protocol: 'grpc' | 'http';
}

/** The same as a pod is told of it. */
export interface PodCollector {
  /** Who is told; absent: nobody can be. */
  readonly asks?: AskedService;
  readonly protocol: Collector['protocol'];
}
