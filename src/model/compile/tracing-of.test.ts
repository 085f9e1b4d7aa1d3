import { expect, test } from '@jest/globals';
import { aPolicy, aPort, aService, aShop } from '../../testing/mesh.js';
import { judgeCollectors } from '../judge/judge-collectors.js';
import type { MeshTables } from '../tables/mesh-tables.js';
import type { Tracing } from '../words/tracing.js';
import { compileDestination } from './compile-destination.js';
import { compileWorkload } from './compile-workload.js';

const TRACING: Tracing = {
  service: { namespace: 'observability', name: 'collector', port: 4317 },
  protocol: 'grpc',
  sampling: { numerator: 1, denominator: 100 },
};
const COLLECTOR = aService({
  namespace: 'observability',
  name: 'collector',
  clusterIPs: ['10.96.0.7'],
  ports: [aPort({ port: 4317 })],
});

function tracedShop(): MeshTables {
  const mesh = aShop();
  mesh.setSettings({ ...mesh.settings, tracing: TRACING });
  return mesh;
}

const told = (mesh: MeshTables) => compileWorkload(mesh, 'a')?.workload.tracing;

test('pods tell the cluster IP of the collector, and go on without one where there is none', () => {
  const mesh = tracedShop();
  expect(told(mesh)).toEqual({ protocol: 'grpc', sampling: TRACING.sampling });
  const [problem] = judgeCollectors(mesh) ?? [];
  expect(problem).toMatchObject({
    condition: 'ResolvedRefs',
    field: 'spec.tracing.collector.service',
    message: 'Service observability/collector does not exist; until it does, spans are dropped',
  });
  const dirty = mesh.services.set(COLLECTOR);
  expect(compileWorkload(mesh, 'a')?.depends.some((key) => dirty.has(key))).toBe(true);
  expect(told(mesh)?.asks).toEqual({ service: 'observability/collector', address: '10.96.0.7', port: 4317 });
  expect(judgeCollectors(mesh)).toEqual([]);
});

test('a policy says how many of the traces are told that begin with a request to its Service, at both ends', () => {
  const mesh = tracedShop();
  const sampling = { numerator: 1, denominator: 2 };
  const policy = aPolicy('traced', { sampling });
  mesh.policies.set(policy);
  const workload = compileWorkload(mesh, 'a');
  expect(workload?.workload.inboundPorts[0]?.sampling).toEqual(sampling);
  expect(workload?.sources).toContainEqual(policy.ref);
  const ref = { kind: 'service', service: 'shop/reviews', port: 8080 } as const;
  expect(compileDestination(mesh, ref, 'shop')?.destination.sampling).toEqual(sampling);
  const { tracing: _tracing, ...settings } = mesh.settings;
  mesh.setSettings(settings);
  expect(compileWorkload(mesh, 'a')?.workload.inboundPorts[0]).not.toHaveProperty('sampling');
});

test('where nobody wants traces nothing is said of them, and nothing is judged', () => {
  const mesh = aShop();
  expect(compileWorkload(mesh, 'a')?.workload).not.toHaveProperty('tracing');
  expect(judgeCollectors(mesh)).toBeUndefined();
});

test('a port that the collector does not have is named', () => {
  const mesh = tracedShop();
  mesh.services.set({ ...COLLECTOR, ports: [aPort({ port: 4318 })] });
  expect(judgeCollectors(mesh)?.[0]?.message).toMatch(
    /^Service observability\/collector has no TCP port 4317/,
  );
});
