import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { connectPlain, type KubeClient } from '../kube/index.js';
import { ApiServer } from '../testing/index.js';
import { ChangeLog, changingKinds } from './change-log.js';
import { changedObject, changesOf } from './managed-fields.js';

const POLICIES = '/apis/weft.dev/v1alpha1/trafficpolicies';
let api: ApiServer;
let client: KubeClient;
let now: number;
let log: ChangeLog;

beforeEach(async () => {
  api = await ApiServer.start();
  client = connectPlain(api.url);
  now = Date.parse('2026-01-01T12:00:00Z');
  log = new ChangeLog(client, { now: () => now, monotonic: () => now });
});

afterEach(async () => {
  client.close();
  await api.stop();
});

const wrote = (
  manager: string,
  time: string,
  fields: object = { 'f:spec': {} },
  more: object = {},
): object => ({
  manager,
  operation: 'Update',
  time,
  fieldsV1: fields,
  ...more,
});

function put(name: string, ...managedFields: object[]): void {
  const metadata = {
    name,
    namespace: 'shop',
    generation: 3,
    creationTimestamp: '2026-01-01T11:00:00Z',
    managedFields,
  };
  api.put(POLICIES, { metadata });
}

test('each manager’s last change of the spec is told, and neither a status nor a label is one', () => {
  const { metadata } = changedObject.parse({
    metadata: {
      name: 'reviews',
      namespace: 'shop',
      generation: 3,
      creationTimestamp: '2026-01-01T11:00:00Z',
      managedFields: [
        wrote('helm', '2026-01-01T11:00:01Z'),
        wrote('kubectl-edit', '2026-01-01T11:50:00Z', { 'f:metadata': {}, 'f:spec': {} }),
        wrote('labeller', '2026-01-01T11:51:00Z', { 'f:metadata': { 'f:labels': {} } }),
        wrote('weft', '2026-01-01T11:52:00Z', { 'f:status': {} }, { subresource: 'status' }),
        wrote('scaler', '2026-01-01T11:53:00Z', { 'f:spec': {} }, { subresource: 'scale' }),
        { manager: 'timeless', fieldsV1: { 'f:spec': {} } },
        'not an entry',
      ].slice(0, 6),
    },
  });
  expect(changesOf('TrafficPolicy', metadata).map(({ who, how, at }) => [who, how, at])).toEqual([
    ['helm', 'created', '2026-01-01T11:00:01.000Z'],
    ['kubectl-edit', 'changed', '2026-01-01T11:50:00.000Z'],
  ]);
});

test('managed fields that cannot be read are none', () => {
  const { metadata } = changedObject.parse({ metadata: { name: 'a', managedFields: 'nonsense' } });
  expect(changesOf('TrafficPolicy', metadata)).toEqual([]);
});

test('changes of the last half hour are listed newest first, with who made them', async () => {
  put('old', wrote('helm', '2026-01-01T11:00:00Z'));
  put('first', wrote('kubectl-edit', '2026-01-01T11:40:00Z'));
  put('second', wrote('argocd', '2026-01-01T11:50:00Z'));
  const { changes, gaps } = await log.look();
  expect(gaps).toEqual([]);
  expect(changes.map(({ kind, name, who, generation }) => [kind, name, who, generation])).toEqual([
    ['TrafficPolicy', 'second', 'argocd', 3],
    ['TrafficPolicy', 'first', 'kubectl-edit', 3],
  ]);
});

test('what is gone since an earlier look is told, and a list that failed takes nothing away', async () => {
  put('kept', wrote('helm', '2026-01-01T11:00:00Z'));
  put('removed', wrote('helm', '2026-01-01T11:00:00Z'));
  expect((await log.look()).changes).toEqual([]);
  api.refusing.set(POLICIES, 403);
  const refused = await log.look();
  expect(refused.changes).toEqual([]);
  expect(refused.gaps).toEqual([expect.stringMatching(/^TrafficPolicy: /)]);
  api.refusing.clear();
  api.remove(POLICIES, { namespace: 'shop', name: 'removed' });
  now += 60_000;
  const expected = [{ name: 'removed', how: 'gone', who: '', at: '2026-01-01T12:01:00.000Z' }];
  expect((await log.look()).changes).toMatchObject(expected);
  expect((await log.look()).changes).toMatchObject(expected);
  now += 3_600_000;
  expect((await log.look()).changes).toEqual([]);
});

test('kinds that users write are looked at, ours and those of the Gateway API', () => {
  const kinds = changingKinds().map(({ kind }) => kind);
  for (const kind of ['TrafficPolicy', 'MeshRoleBinding', 'MeshConfig', 'HTTPRoute', 'Service', 'Deployment'])
    expect(kinds).toContain(kind);
  for (const kind of ['Pod', 'EndpointSlice', 'ConfigMap']) expect(kinds).not.toContain(kind);
});

test('lists come from the cache of the API server, and none is older than the one before', async () => {
  put('first', wrote('kubectl-edit', '2026-01-01T11:40:00Z'));
  const asked = (): (string | null)[][] =>
    api.requests
      .filter(({ path }) => path === POLICIES)
      .map(({ query }) => [
        query.get('resourceVersion'),
        query.get('resourceVersionMatch'),
        query.get('limit'),
      ]);
  await log.look();
  expect(asked()).toEqual([['0', 'NotOlderThan', null]]);
  await log.look();
  expect(asked()[1]).toEqual([expect.stringMatching(/^[1-9]\d*$/), 'NotOlderThan', null]);
  api.refusing.set(POLICIES, 504);
  await log.look();
  api.refusing.delete(POLICIES);
  const before = asked().length;
  await log.look();
  expect(asked()[before]).toEqual(['0', 'NotOlderThan', null]);
});
