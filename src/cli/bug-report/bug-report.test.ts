import { execFileSync } from 'node:child_process';
import { mkdtemp, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ClusterFixture } from '../cluster.fixture.js';
import { createPage } from '../page.js';
import { bugReport } from './index.js';
import { REMOVED, redactObject, redactText } from './redact.js';

let cluster: ClusterFixture;
let folder: string;

beforeEach(async () => {
  cluster = await ClusterFixture.start();
  folder = await mkdtemp(join(tmpdir(), 'weft-'));
});

afterEach(() => cluster.stop());

const KEY = '-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIplantedkey\n-----END EC PRIVATE KEY-----';
const TOKEN = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJlcGxhbnRlZA';

/** Texts as they stand in logs, events and objects, each with the secret in it and what of it has to stay. */
const PLANTED: readonly (readonly [text: string, secret: string, stays: string])[] = [
  [`key is ${KEY} here`, 'MHcCAQEEIplantedkey', 'here'],
  [`{"msg":"-----BEGIN PRIVATE KEY-----\\nplantedbody`, 'plantedbody', 'msg'],
  [`token ${TOKEN} was refused`, 'c2lnbmF0dXJlcGxhbnRlZA', 'was refused'],
  ['authorization: Bearer planted-opaque-1', 'planted-opaque-1', 'authorization'],
  ['sent Basic cGxhbnRlZDpwYXNz to web', 'cGxhbnRlZDpwYXNz', 'to web'],
  ['dial postgres://admin:planted2@db:5432/shop failed', 'planted2', '@db:5432/shop failed'],
  ['redis://:planted3@cache failed', 'planted3', 'cache failed'],
  ['{"password":"planted 4","port":9080}', 'planted 4', '"port":9080'],
  ['GET /login?access_token=planted5&page=2', 'planted5', 'page=2'],
  ["db_passwd = 'planted6' retries=2", 'planted6', 'retries=2'],
  ['x-api-key: planted7', 'planted7', 'x-api-key'],
  ['Set-Cookie: sid=planted8; Path=/', 'planted8', 'Set-Cookie'],
  ['using AKIAPLANTED900000000 in eu', 'AKIAPLANTED900000000', 'in eu'],
  ['clone with ghp_planted10planted10planted10', 'planted10planted10', 'clone with'],
];

test.each(PLANTED)('no secret of a text is left, and what it stands in is: %s', (text, secret, stays) => {
  const left = redactText(text);
  expect(left).not.toContain(secret);
  expect(left).toContain(REMOVED);
  expect(left).toContain(stays);
});

test('what is no secret is left as it is', () => {
  const text =
    'shop/reviews:9080 GET /api/reviews 503 no-endpoint spiffe://cluster.local/ns/shop/sa/web 10.0.0.1 route=all by=default\n';
  expect(redactText(text)).toBe(text);
});

test('objects lose the values of variables, commands, data and headers that are secret, and nothing else', () => {
  const route = { name: 'all', match: [{ headers: [{ name: 'x-group', exact: 'staff' }] }] };
  const headers = {
    request: {
      set: [
        { name: 'Authorization', value: 'planted-a' },
        { name: 'x-lane', value: 'blue' },
      ],
    },
  };
  const container = {
    name: 'app',
    image: 'app:1',
    args: ['--password', 'planted-b'],
    env: [
      { name: 'DB', value: 'planted-c' },
      { name: 'FROM', valueFrom: { secretKeyRef: { name: 'db', key: 'url' } } },
    ],
  };
  const left = redactObject({
    metadata: {
      name: 'a',
      annotations: {
        'kubectl.kubernetes.io/last-applied-configuration': 'planted-d',
        'acme.io/api-key': 'planted-e',
        team: 'shop',
      },
      managedFields: [{ manager: 'planted-f' }],
    },
    data: { 'tls.key': 'planted-g' },
    spec: { containers: [container], routes: [{ ...route, headers }] },
  });
  expect(JSON.stringify(left)).not.toContain('planted');
  expect(left).toMatchObject({
    metadata: { name: 'a', annotations: { team: 'shop' } },
    spec: {
      containers: [
        {
          name: 'app',
          image: 'app:1',
          env: [{ name: 'DB' }, { valueFrom: { secretKeyRef: { name: 'db' } } }],
        },
      ],
      routes: [
        {
          ...route,
          headers: {
            request: {
              set: [
                { name: 'Authorization', value: REMOVED },
                { name: 'x-lane', value: 'blue' },
              ],
            },
          },
        },
      ],
    },
  });
});

/** What `tar` finds in an archive. */
function unpacked(file: string): ReadonlyMap<string, string> {
  const names = execFileSync('tar', ['tzf', file], { encoding: 'utf8' }).trim().split('\n');
  return new Map(
    names.map((name) => [
      name.replace(/^[^/]+\//, ''),
      execFileSync('tar', ['xzOf', file, name], { encoding: 'utf8' }),
    ]),
  );
}

async function plant(): Promise<void> {
  const { server } = cluster;
  await cluster.install();
  server.put('/api/v1/secrets', {
    metadata: { name: 'db', namespace: 'shop' },
    data: { password: 'cGxhbnRlZA==' },
  });
  server.put('/api/v1/configmaps', {
    metadata: { name: 'app', namespace: 'shop' },
    data: { url: 'planted-config' },
  });
  server.put('/api/v1/events', {
    metadata: { name: 'e', namespace: 'shop' },
    message: 'login with password=planted-event failed',
  });
  server.put('/api/v1/pods', {
    metadata: { name: 'web', namespace: 'shop', annotations: { 'acme.io/token': 'planted-annotation' } },
    spec: {
      containers: [
        { name: 'app', env: [{ name: 'DB_URL', value: 'planted-env' }], command: ['run', 'planted-command'] },
      ],
      initContainers: [{ name: 'weft-proxy' }],
    },
    status: { phase: 'Running' },
  });
  server.put('/api/v1/pods', {
    metadata: { name: 'weft-1', namespace: 'weft-system' },
    spec: { containers: [{ name: 'weft' }] },
    status: { phase: 'Running' },
  });
  cluster.policy('reviews', [], {
    spec: {
      targetRefs: [{ kind: 'Service', name: 'reviews' }],
      routes: [{ headers: { request: { set: [{ name: 'authorization', value: 'planted-header' }] } } }],
    },
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{"planted-applied":1}' },
  });
  server.onGet(
    '/api/v1/namespaces/weft-system/pods/weft-1/log',
    () => `{"level":"info"}\nauthorization: Bearer planted-log\n${KEY}\n`,
  );
  server.onGet('/api/v1/namespaces/shop/pods/web/log', () => `GET /?token=planted-proxy-log 200\n`);
}

test('an archive has versions, statuses, objects, events and logs, and none of the secrets that were planted', async () => {
  await plant();
  const file = join(folder, 'report.tar.gz');
  const options = {
    client: cluster.client,
    page: createPage({ colours: false }),
    revision: 'default',
    systemNamespace: 'weft-system',
    namespaces: ['shop'],
    proxies: 10,
  };
  const { text } = await bugReport({ ...options, file });
  expect(text).toMatch(/report\.tar\.gz: \d+ files, \d+ KB\n/);
  const files = unpacked(file);
  expect([...files.keys()]).toEqual(
    expect.arrayContaining([
      'README.txt',
      'versions.json',
      'check.txt',
      'status.json',
      'analyze.json',
      'objects/trafficpolicies.json',
      'objects/services.json',
      'objects/shop/pods.json',
      'objects/shop/events.json',
      'logs/weft-system/weft-1.weft.log',
      'logs/shop/web.weft-proxy.log',
    ]),
  );
  const all = [...files.values()].join('\n');
  expect(all).not.toMatch(/planted|cGxhbnRlZA|MHcCAQEE/);
  expect(files.get('check.txt')).toMatch(/^ok +cluster/);
  expect(files.get('objects/shop/events.json')).toContain('login with password=[removed] failed');
  expect(files.get('logs/weft-system/weft-1.weft.log')).toContain('{"level":"info"}');
  expect(files.get('objects/trafficpolicies.json')).toContain('"reviews"');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const read = cluster.server.requests.filter(
    ({ path }) => path.includes('/secrets') && !path.includes('weft-'),
  );
  expect(read).toEqual([]);
  await expect(bugReport({ ...options, file })).rejects.toThrow(/EEXIST/);
});

test('what cannot be read says why in its place, and a kind that is not installed is nothing unread', async () => {
  await cluster.install();
  cluster.server.refusing.set('/api/v1/events', 403);
  cluster.server.absent.add('/apis/gateway.networking.x-k8s.io/v1alpha1/xbackends');
  const file = join(folder, 'report.tar.gz');
  const { text } = await bugReport({
    client: cluster.client,
    page: createPage({ colours: false }),
    revision: 'default',
    systemNamespace: 'weft-system',
    namespaces: [],
    proxies: 0,
    file,
  });
  expect(text).toMatch(/1 part could not be read and says why/);
  expect(unpacked(file).get('objects/weft-system/events.json')).toMatch(
    /^could not be read: .*events: refused/,
  );
  expect(unpacked(file).get('objects/xbackends.json')).toMatch(/does not serve this kind/);
});

test('a namespace that is named twice, or is that of the control plane, is in it once', async () => {
  await plant();
  const file = join(folder, 'report.tar.gz');
  await bugReport({
    client: cluster.client,
    page: createPage({ colours: false }),
    revision: 'default',
    systemNamespace: 'weft-system',
    namespaces: ['shop', 'weft-system', 'shop'],
    proxies: 10,
    file,
  });
  const names = execFileSync('tar', ['tzf', file], { encoding: 'utf8' }).trim().split('\n');
  expect(names.filter((name) => /weft-system\/|shop\//.test(name)).length).toBeGreaterThan(4);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});
