import { beforeEach, expect, test } from '@jest/globals';
import { Metrics, createLogger } from '../base/index.js';
import { Resources, connectPlain } from '../kube/index.js';
import { DEFAULT_SETTINGS, type DirtyKey } from '../model/index.js';
import { createClusterView, type ClusterView } from './cluster-view.js';
import { Collector } from './collector.js';
import { Kinds } from './kinds/index.js';

const log = createLogger({ level: 'silent' });
let view: ClusterView;
let collector: Collector;
let dirty: Set<DirtyKey>;
let version = 0;

// Informers that never run: what matters is what their stores tell.
beforeEach(() => {
  const client = connectPlain('http://127.0.0.1:1');
  view = createClusterView({
    client,
    systemNamespace: 'weft-system',
    revision: 'default',
    log,
    metrics: new Metrics(),
  });
  collector = new Collector({ view, installed: DEFAULT_SETTINGS, log });
  collector.attach();
  dirty = new Set();
  collector.onDirty((keys) => {
    for (const key of keys) dirty.add(key);
  });
});

function meta(name: string, more: object = {}): object {
  return { name, namespace: 'shop', uid: name, generation: 1, resourceVersion: String(++version), ...more };
}

function pod(name: string, uid: string, phase = 'Running'): void {
  const raw = {
    metadata: meta(name, { uid }),
    spec: { nodeName: 'node-1', containers: [] },
    status: { phase, podIPs: [{ ip: '10.0.0.1' }] },
  };
  view.pods.store.set(Resources.pod.keep(raw));
}

function node(zone: string): void {
  const labels = { 'topology.kubernetes.io/zone': zone };
  view.nodes.store.set(Resources.node.keep({ metadata: meta('node-1', { namespace: '', labels }) }));
}

function policy(generation: number, extra: object = {}): void {
  const spec = { targetRefs: [{ kind: 'Service', name: 'reviews' }], ...extra };
  const raw = {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'TrafficPolicy',
    metadata: meta('reviews', { generation }),
    spec,
  };
  view.policies.store.set(Kinds.policies.resource.keep(raw));
}

const uids = (): string[] => [...collector.mesh.workloads.keys()];

test('a pod of the same name with another uid replaces the old one and takes its address', () => {
  pod('db-0', 'first');
  pod('db-0', 'second');
  expect(uids()).toEqual(['second']);
  expect(collector.mesh.workloadAt('10.0.0.1')?.uid).toBe('second');
  expect(dirty).toEqual(new Set(['workload/first', 'workload/second', 'address/10.0.0.1']));
});

test('a finished pod gives its address up before it is deleted', () => {
  pod('job', 'job-1');
  pod('job', 'job-1', 'Succeeded');
  expect(uids()).toEqual([]);
  expect(collector.mesh.workloadAt('10.0.0.1')).toBeUndefined();
  view.pods.store.delete('shop/job');
  expect(uids()).toEqual([]);
});

test('a pod gets the zone of its node, whichever is heard of first', () => {
  pod('web', 'web-1');
  expect(collector.mesh.workloads.get('web-1')?.zone).toBeUndefined();
  node('zone-a');
  expect(collector.mesh.workloads.get('web-1')?.zone).toBe('zone-a');
  dirty.clear();
  node('zone-a');
  expect(dirty.size).toBe(0);
});

test('a policy that turns bad leaves the last good one acting, and its problems known', () => {
  policy(1);
  policy(2, { routes: [{ split: [{ weight: 0 }] }] });
  expect(collector.mesh.policies.get('reviews')?.ref.generation).toBe(1);
  expect(collector.problemsOf('reviews')).toHaveLength(1);
  policy(3);
  expect(collector.mesh.policies.get('reviews')?.ref.generation).toBe(3);
  expect(collector.problemsOf('reviews')).toEqual([]);
  view.policies.store.delete('shop/reviews');
  expect(collector.mesh.policies.size).toBe(0);
});

test('a write to the status of a policy makes nothing dirty', () => {
  policy(1);
  dirty.clear();
  policy(1);
  expect(dirty.size).toBe(0);
});

test('Services and their slices come and go, and so does the MeshConfig', () => {
  const spec = { clusterIPs: ['10.96.0.1'], ports: [{ port: 80 }] };
  view.services.store.set(Resources.service.keep({ metadata: meta('reviews'), spec }));
  const labels = { 'kubernetes.io/service-name': 'reviews' };
  const slice = { metadata: meta('reviews-x', { labels }), addressType: 'IPv4', ports: [], endpoints: [] };
  view.endpointSlices.store.set(Resources.endpointSlice.keep(slice));
  expect(collector.mesh.serviceAt('10.96.0.1', 80)?.service.name).toBe('reviews');
  expect(collector.mesh.endpointSetsOf('shop/reviews')).toHaveLength(1);
  view.endpointSlices.store.delete('shop/reviews-x');
  view.services.store.delete('shop/reviews');
  expect(collector.mesh.services.size + collector.mesh.endpointSetsOf('shop/reviews').length).toBe(0);
  const config = {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'MeshConfig',
    metadata: meta('default', { namespace: '' }),
    spec: { mtls: { mode: 'Strict' } },
  };
  view.meshConfigs.store.set(Kinds.meshConfigs.resource.keep(config));
  expect(collector.mesh.settings.mtls).toBe('strict');
  view.meshConfigs.store.delete('default');
  expect(collector.mesh.settings.mtls).toBe('permissive');
});
