import { expect, test } from '@jest/globals';
import { aPolicy, aPort, aService, aShop } from '../../testing/mesh.js';
import { judgeCollectors } from '../judge/judge-collectors.js';
import type { AccessLog } from '../words/access-log.js';
import { compileDestination } from './compile-destination.js';
import { compileWorkload } from './compile-workload.js';

const ALL: AccessLog = {
  mode: 'all',
  removeQuery: true,
  format: 'json',
  omit: [],
  requestHeaders: [],
  silent: false,
};

test('pods log what the mesh wants, at once, and nothing where nobody says so', () => {
  const mesh = aShop();
  expect(compileWorkload(mesh, 'a')?.workload).not.toHaveProperty('accessLog');
  const dirty = mesh.setSettings({ ...mesh.settings, accessLog: ALL });
  const compiled = compileWorkload(mesh, 'a');
  expect(compiled?.workload.accessLog).toEqual(ALL);
  expect(compiled?.depends.some((key) => dirty.has(key))).toBe(true);
});

test('a policy chooses for its Service, at the caller and at the receiver, also where the mesh logs nothing', () => {
  const mesh = aShop();
  const accessLog = {
    mode: 'selected',
    select: { errors: true, denied: false },
    removeQuery: false,
  } as const;
  const policy = aPolicy('logged', { accessLog });
  mesh.policies.set(policy);
  const compiled = compileWorkload(mesh, 'a');
  expect(compiled?.workload.inboundPorts[0]?.accessLog).toEqual(accessLog);
  expect(compiled?.sources).toContainEqual(policy.ref);
  const ref = { kind: 'service', service: 'shop/reviews', port: 8080 } as const;
  expect(compileDestination(mesh, ref, 'shop')?.destination.accessLog).toEqual(accessLog);
});

test('pods tell the cluster IP of the collector of logs, and a collector that is not there is said to be', () => {
  const mesh = aShop();
  const service = { namespace: 'observability', name: 'logs', port: 4318 };
  mesh.setSettings({
    ...mesh.settings,
    accessLog: { ...ALL, silent: true, collector: { service, protocol: 'http' } },
  });
  const told = (): object | undefined => compileWorkload(mesh, 'a')?.workload.accessLog?.collector;
  expect(told()).toEqual({ protocol: 'http' });
  expect(judgeCollectors(mesh)).toMatchObject([
    {
      condition: 'ResolvedRefs',
      field: 'spec.accessLog.collector.service',
      message: 'Service observability/logs does not exist; until it does, log records are dropped',
    },
  ]);
  const dirty = mesh.services.set(
    aService({
      namespace: 'observability',
      name: 'logs',
      clusterIPs: ['10.96.0.8'],
      ports: [aPort({ port: 4318 })],
    }),
  );
  expect(compileWorkload(mesh, 'a')?.depends.some((key) => dirty.has(key))).toBe(true);
  expect(told()).toEqual({
    asks: { service: 'observability/logs', address: '10.96.0.8', port: 4318 },
    protocol: 'http',
  });
  expect(judgeCollectors(mesh)).toEqual([]);
});
