import { expect, test } from '@jest/globals';
import { getEventListeners } from 'node:events';
import { Metrics, createLogger } from '../base/index.js';
import { podDirectory } from '../identity/index.js';
import { aMesh } from '../testing/mesh-fixture.js';
import { AggregatedDiscoveryService } from '../wire/gen/envoy/service/discovery/v3/ads_pb.js';
import { Admission } from './admission.js';
import { proxyMetrics } from './metrics.js';
import { Registry } from './registry.js';
import type { ProxyService, ProxyStream } from './service.js';

test('a stream that ends leaves nothing on its connection, which may live on for long', () => {
  const admission = new Admission({
    trustDomain: 'cluster.local',
    podCheck: { pods: podDirectory(aMesh()), checkPeerAddress: true },
    log: createLogger({ level: 'silent' }),
    metrics: proxyMetrics(new Metrics()),
  });
  const service: ProxyService<string> = {
    method: AggregatedDiscoveryService.method.deltaAggregatedResources,
    read: (bytes) => Buffer.from(bytes).toString(),
    podUidOf: (first) => first,
    rootsOf: () => [],
    maxRequestBytes: 1_024,
    open: () => ({ request: () => undefined, writable: () => undefined }),
  };
  const registry = new Registry();
  const draining = new AbortController();
  for (let i = 0; i < 100; i++) {
    const ended = new AbortController();
    const stream: ProxyStream = {
      peer: { address: '10.0.0.1', certificate: undefined },
      signal: ended.signal,
      draining: draining.signal,
      hasRoom: () => true,
      send: () => undefined,
      release: () => undefined,
      finish: () => undefined,
      fail: () => undefined,
    };
    admission.open(service, registry, stream);
    expect(getEventListeners(draining.signal, 'abort')).toHaveLength(1);
    ended.abort();
  }
  expect(getEventListeners(draining.signal, 'abort')).toHaveLength(0);
});
