import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { meshContainers } from '../../testing/index.js';
import { ClusterFixture } from '../cluster.fixture.js';
import { accessMatrix } from './matrix.js';

let cluster: ClusterFixture;
const idOf = (name: string): string => `spiffe://cluster.local/ns/shop/sa/${name}`;

function weft(kind: string, name: string, spec: object): void {
  const PROGRAMMED = { conditions: [{ type: 'Programmed', status: 'True', observedGeneration: 1 }] };
  cluster.server.put(`/apis/weft.dev/v1alpha1/${kind.toLowerCase()}s`, {
    apiVersion: 'weft.dev/v1alpha1',
    kind,
    metadata: { name, namespace: 'shop', uid: `${kind}/${name}`, generation: 1 },
    spec,
    status: kind === 'MeshRole' ? {} : PROGRAMMED,
  });
}

const bind = (name: string, account: string, more: object = {}): void =>
  weft('MeshRoleBinding', name, {
    subjects: [{ serviceAccount: { name: account } }],
    roleRef: { kind: 'MeshRole', name: 'everything' },
    ...more,
  });

function service(name: string, meshed = true): void {
  const mesh = meshContainers();
  cluster.server.put('/api/v1/pods', {
    metadata: { name: `${name}-1`, namespace: 'shop', uid: name, labels: { app: name } },
    spec: {
      serviceAccountName: name,
      containers: [{ name: 'app' }],
      initContainers: meshed ? [mesh.init, mesh.proxy] : [],
    },
    status: { phase: 'Running', podIPs: [{ ip: meshed ? '10.244.0.7' : '10.244.0.8' }] },
  });
  const ports = [{ name: 'http', port: 8080, protocol: 'TCP', appProtocol: 'http' }];
  cluster.server.put('/api/v1/services', {
    metadata: { name, namespace: 'shop' },
    spec: { selector: { app: name }, ports },
  });
  cluster.server.put('/apis/discovery.k8s.io/v1/endpointslices', {
    metadata: { name, namespace: 'shop', labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports,
    endpoints: [
      {
        addresses: [meshed ? '10.244.0.7' : '10.244.0.8'],
        targetRef: { kind: 'Pod', name: `${name}-1`, uid: name },
      },
    ],
  });
}

beforeEach(async () => {
  cluster = await ClusterFixture.start();
  cluster.controlPlane();
  cluster.namespace('shop', { 'weft.dev/inject': 'enabled', 'weft.dev/default-access': 'Deny' });
  service('reviews');
  service('bare', false);
  cluster.server.put('/api/v1/services', {
    metadata: { name: 'empty', namespace: 'shop' },
    spec: { selector: { app: 'nobody' }, ports: [{ port: 80, protocol: 'TCP' }] },
  });
  weft('MeshRole', 'everything', { rules: [{ services: ['reviews'] }] });
  weft('MeshRole', 'reader', { rules: [{ services: ['reviews'], methods: ['GET'], paths: ['/api/*'] }] });
});

afterEach(async () => {
  await cluster.stop();
});

async function told(...callers: string[]): Promise<Record<string, Record<string, string>>> {
  const where = { client: cluster.client, revision: 'default', systemNamespace: 'weft-system' };
  const view = await accessMatrix(where, 'shop', callers.map(idOf));
  expect(view.notes[0]).toContain('empty');
  return Object.fromEntries(
    view.callers.map((caller, row) => [
      caller.split('/').at(-1) ?? '',
      Object.fromEntries(
        view.services.map((name, column) => {
          const { may, granted, by } = view.cells[row]![column]!;
          return [name, `${may}${granted ? ' granted' : ''}: ${by}`];
        }),
      ),
    ]),
  );
}

test('bindings, roles about some requests, the default and missing proxies each say what they allow', async () => {
  bind('web-reads', 'web');
  bind('app-reads', 'app', { roleRef: { kind: 'MeshRole', name: 'reader' } });
  bind('not-app', 'barred', { effect: 'Deny' });
  bind('barred-too', 'barred');
  bind('rehearsed', 'web', { effect: 'Deny', mode: 'DryRun' });
  const cells = await told('web', 'stranger');
  expect(cells).toEqual({
    web: { reviews: 'all granted: allowed by shop/web-reads', bare: expect.stringMatching(/^all: no proxy/) },
    app: {
      reviews: 'some granted: some requests allowed by shop/app-reads',
      bare: expect.stringMatching(/^all: no proxy/),
    },
    barred: { reviews: 'none: denied by shop/not-app', bare: expect.stringMatching(/^all: no proxy/) },
    stranger: { reviews: 'none: no binding allows it', bare: expect.stringMatching(/^all: no proxy/) },
    '*': { reviews: 'none: no binding allows it', bare: expect.stringMatching(/^all: no proxy/) },
    '': { reviews: 'none: no binding allows it', bare: expect.stringMatching(/^all: no proxy/) },
  });
});

test('where the default allows, what denies takes away all or some', async () => {
  cluster.namespace('shop', { 'weft.dev/inject': 'enabled' });
  bind('not-web', 'web', { effect: 'Deny' });
  bind('not-all', 'app', { effect: 'Deny', roleRef: { kind: 'MeshRole', name: 'reader' } });
  const cells = await told('other');
  expect(cells['web']?.['reviews']).toBe('none: denied by shop/not-web');
  expect(cells['app']?.['reviews']).toBe('some: allowed by default, some requests denied by shop/not-all');
  expect(cells['other']?.['reviews']).toBe('all: allowed by default');
  expect(cells['']?.['reviews']).toBe('all: allowed by default');
});
