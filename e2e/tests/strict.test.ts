import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, load, namespace } from '../support/app.js';
import type { Condition } from '../support/policy.js';
import { apply, eventually, get, kubectl } from '../support/run.js';

const NS = 'e2e-strict';
const PLAIN = 'e2e-strict-plain';
const CRD = 'meshconfigs.weft.dev';
const SPEC = '/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties';

const meshConfig = (spec: object): object => ({
  apiVersion: 'weft.dev/v1alpha1',
  kind: 'MeshConfig',
  metadata: { name: 'default' },
  spec,
});

/** Requests out of five that the meshed server answered. */
async function answered(from: string): Promise<number> {
  const url = `http://server.${NS}:8080/`;
  const report = await load(from, 'deploy/client', '-url', url, '-count', '5', '-rate', '50');
  return report.statuses['200'] ?? 0;
}

async function accepted(): Promise<Condition | undefined> {
  const config = await get<{
    metadata: { generation: number };
    status?: { conditions?: readonly Condition[] };
  }>('meshconfig', 'default');
  return config.status?.conditions?.find(
    ({ type, observedGeneration }) =>
      type === 'Accepted' && observedGeneration === config.metadata.generation,
  );
}

async function restartControlPlane(): Promise<void> {
  await kubectl('rollout', 'restart', '-n', 'weft-system', 'deployment/weft-default');
  await kubectl('rollout', 'status', '-n', 'weft-system', 'deployment/weft-default', '--timeout=120s');
}

/** Callers in the mesh are served and others are not. */
async function expectStrict(): Promise<void> {
  expect(await answered(NS)).toBe(5);
  expect(await answered(PLAIN)).toBe(0);
}

beforeAll(async () => {
  await apply([namespace(NS), namespace(PLAIN, {})]);
  await deploy({ namespace: NS, name: 'server' }, { namespace: NS, name: 'client' });
  await deploy({ namespace: PLAIN, name: 'client' });
});

afterAll(async () => {
  // What was strict is lowered by saying so only, and the other tests count on the usual settings.
  await apply(meshConfig({ mtls: { mode: 'Permissive' }, outbound: { policy: 'AllowAny' } }));
  await kubectl('wait', '--for=condition=Accepted', 'meshconfig/default', '--timeout=60s');
  await eventually('the mesh is permissive again', async () => (await answered(PLAIN)) === 5, 60);
  await kubectl('delete', 'meshconfig', 'default');
  await kubectl('delete', 'namespace', NS, PLAIN, '--wait=false');
});

test('Strict refuses what comes without mutual TLS, and every proxy says when it has it', async () => {
  expect(await answered(PLAIN)).toBe(5);
  await apply(meshConfig({ mtls: { mode: 'Strict' } }));
  await eventually('plain callers are refused', async () => (await answered(PLAIN)) === 0, 60);
  await kubectl('wait', '--for=condition=Programmed', 'meshconfig/default', '--timeout=60s');
  expect(await accepted()).toMatchObject({
    status: 'True',
    message: expect.stringMatching(/mtls.mode Strict/),
  });
  await expectStrict();
});

test('a MeshConfig with a field of a newer version leaves the mesh strict, and says so', async () => {
  const field = JSON.stringify([{ op: 'add', path: `${SPEC}/newer`, value: { type: 'string' } }]);
  await kubectl('patch', 'crd', CRD, '--type=json', '-p', field);
  try {
    // Strict until the field is served: an API server that still prunes it would store a valid object.
    await eventually('the field is served', async () => {
      await apply(meshConfig({ mtls: { mode: 'Strict' }, newer: 'x' }));
      const { spec } = await get<{ spec: object }>('meshconfig', 'default');
      return 'newer' in spec;
    });
    // Watches that were open before the change go on for up to minutes with the old schema, and see a valid object.
    await restartControlPlane();
    await apply(meshConfig({ mtls: { mode: 'Permissive' }, newer: 'x' }));
    await eventually('the status says so', async () => (await accepted())?.status === 'False');
    expect(await accepted()).toMatchObject({
      reason: 'Invalid',
      message: expect.stringMatching(/spec\.newer.*\nIn force: mtls\.mode Strict/),
    });
    await expectStrict();
  } finally {
    await apply(meshConfig({ mtls: { mode: 'Strict' } }));
    const without = JSON.stringify([{ op: 'remove', path: `${SPEC}/newer` }]);
    await kubectl('patch', 'crd', CRD, '--type=json', '-p', without);
  }
});

test('deleting the MeshConfig opens nothing, not even for a control plane that starts without it', async () => {
  await kubectl('delete', 'meshconfig', 'default');
  await restartControlPlane();
  // Pods that start now know nothing but what the new control plane tells them.
  await kubectl('rollout', 'restart', '-n', NS, 'deployment/server');
  await kubectl('rollout', 'status', '-n', NS, 'deployment/server', '--timeout=120s');
  await expectStrict();
});
