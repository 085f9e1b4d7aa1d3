import type { Metrics } from '../metrics.js';

/** What the ports of the control plane turn away; made once for all of them. */
export interface ListenerMetrics {
  /** `reason`: `total`, `per-address`, `rate`, `silent`, `too-much`, `waited-too-long`; of the port for proxies also `failed`, in the handshake. */
  readonly refused: {
    inc(labels: { readonly listener: string; readonly reason: string }, times?: number): void;
  };
  /** Shows how many connections a port holds. */
  watch(listener: string, connections: () => number): void;
}

export function createListenerMetrics(metrics: Metrics): ListenerMetrics {
  const ports = new Map<string, () => number>();
  metrics.gauge(
    'weft_listener_connections',
    'Connections to a port of the control plane, those that wait for their handshake included.',
    ['listener'],
    (gauge) => {
      for (const [listener, connections] of ports) gauge.set({ listener }, connections());
    },
  );
  return {
    refused: metrics.counter(
      'weft_listener_refused_total',
      'Connections to a port of the control plane that were closed at once, by reason.',
      ['listener', 'reason'],
    ),
    watch: (listener, connections) => void ports.set(listener, connections),
  };
}
