import { expect, test } from '@jest/globals';
import { aPolicy, aShop } from '../../testing/mesh.js';
import type { AccessLog } from '../words/access-log.js';
import { compileDestination } from './compile-destination.js';
import { compileWorkload } from './compile-workload.js';

const ALL: AccessLog = { mode: 'all', removeQuery: true, format: 'json', omit: [], requestHeaders: [] };

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
