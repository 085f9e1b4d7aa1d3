import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ClusterFixture } from '../cluster.fixture.js';
import { createPage } from '../page.js';
import { meshContainers } from '../../testing/index.js';
import { idOf, saidEdge, saidHistory } from '../../telemetry/seen.fixture.js';
import type { Difference } from './compare.js';
import { diff } from './index.js';

const page = createPage({ colours: false });
let cluster: ClusterFixture;

beforeEach(async () => {
  cluster = await ClusterFixture.start();
  cluster.namespace('shop');
  cluster.namespace('front');
  service('reviews', pod('reviews-1', 'shop', 'reviews', '10.0.0.1'));
  pod('web-1', 'front', 'web', '10.0.0.2');
});

afterEach(() => cluster.stop());

function service(name: string, uid: string): void {
  const { server } = cluster;
  server.put('/api/v1/services', {
    metadata: { name, namespace: 'shop' },
    spec: { clusterIP: '10.96.0.1', selector: { app: name }, ports: [{ name: 'http', port: 8080 }] },
  });
  server.put('/apis/discovery.k8s.io/v1/endpointslices', {
    metadata: { name: `${name}-1`, namespace: 'shop', labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: [
      {
        addresses: ['10.0.0.1'],
        conditions: { ready: true },
        targetRef: { kind: 'Pod', name: `${name}-1`, uid },
      },
    ],
  });
}

function pod(name: string, namespace: string, app: string, podIP: string): string {
  const { init, proxy } = meshContainers();
  const { metadata } = cluster.server.put('/api/v1/pods', {
    metadata: {
      name,
      namespace,
      labels: { app, 'pod-template-hash': 'abc' },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${app}-abc`, uid: 'r', controller: true },
      ],
    },
    spec: { serviceAccountName: app, containers: [{ name: 'app' }], initContainers: [init, proxy] },
    status: { phase: 'Running', podIP, podIPs: [{ ip: podIP }] },
  });
  cluster.server.put('/api/v1/serviceaccounts', { metadata: { name: app, namespace } });
  return String(metadata['uid']);
}

const head = (kind: string, name: string): string =>
  `apiVersion: weft.dev/v1alpha1\nkind: ${kind}\nmetadata: {name: ${name}, namespace: shop}\n`;
const policy = (spec: string): string =>
  `${head('TrafficPolicy', 'reviews')}spec: {targetRefs: [{kind: Service, name: reviews}], ${spec}}\n`;
const ROLE = `${head('MeshRole', 'reader')}spec: {rules: [{methods: [GET], paths: [/api/*]}]}\n`;
const binding = (effect: string): string =>
  `${head('MeshRoleBinding', 'web')}spec: {roleRef: {kind: MeshRole, name: reader}, effect: ${effect}, subjects: [{serviceAccount: {name: web, namespace: front}}]}\n`;

async function compared(
  texts: readonly string[],
  over: { readonly delete?: boolean } = {},
): Promise<{ readonly differs: boolean; readonly text: string; readonly json: Difference }> {
  const file = join(await mkdtemp(join(tmpdir(), 'weft-')), 'a.yaml');
  await writeFile(file, texts.join('---\n'));
  const options = { files: [file], page, revision: 'default', systemNamespace: 'weft-system', ...over };
  const { differs, text } = await diff({ ...options, client: cluster.client, output: 'text' });
  const { text: json } = await diff({ ...options, client: cluster.client, output: 'json' });
  return { differs, text, json: JSON.parse(json) as Difference };
}

test('a policy on a Service is told as what its callers do', async () => {
  const { differs, text, json } = await compared([
    policy('routes: [{name: all, timeouts: {request: 1500ms}, retries: {attempts: 1}}]'),
  ]);
  expect(differs).toBe(true);
  expect(json.applied).toEqual([{ object: 'TrafficPolicy shop/reviews', change: 'created' }]);
  expect(json.destinations).toHaveLength(1);
  expect(json.destinations[0]).toMatchObject({
    service: 'shop/reviews:8080',
    callers: 'everywhere',
    change: 'changed',
  });
  expect(json.destinations[0]?.changes).toContainEqual({
    what: 'route all: timeouts.request',
    after: '1500ms',
  });
  expect(json.workloads).toEqual([]);
  expect(json.access).toEqual([]);
  expect(text).toMatch(
    /^TrafficPolicy shop\/reviews created\n\nWhat callers do\n  Service shop\/reviews:8080, callers everywhere\n/,
  );
  expect(text).toMatch(/\n    \+ route all: timeouts\.request: 1500ms\n/);
  expect(text).toMatch(
    /\n1 port of Services and 0 pods would be treated differently; nobody would be refused who is let in now\.$/,
  );
});

test('the same as it is changes nothing, also where others have the same target', async () => {
  cluster.policy('reviews', [], {
    spec: { targetRefs: [{ kind: 'Service', name: 'reviews' }], routes: [{ name: 'all' }] },
  });
  const same = await compared([policy('routes: [{name: all}]')]);
  expect(same.json.applied).toEqual([{ object: 'TrafficPolicy shop/reviews', change: 'unchanged' }]);
  expect(same).toMatchObject({
    differs: false,
    text: expect.stringMatching(/No proxy would do anything differently\.$/),
  });
  // A younger rival loses: nothing but a finding comes of it.
  const rival = await compared([
    policy('routes: [{timeouts: {request: 1s}}]').replace(
      'name: reviews, namespace',
      'name: rival, namespace',
    ),
  ]);
  expect(rival.json.destinations).toEqual([]);
  expect(rival.json.found.map(({ code }) => code)).toEqual(['WEFT204']);
});

test('a change of one field is told with what was there', async () => {
  cluster.policy('reviews', [], {
    spec: {
      targetRefs: [{ kind: 'Service', name: 'reviews' }],
      routes: [{ name: 'all', timeouts: { request: '5s' } }],
    },
  });
  const { json, text } = await compared([policy('routes: [{name: all, timeouts: {request: 2s}}]')]);
  expect(json.destinations[0]?.changes).toEqual([
    { what: 'route all: timeouts.request', before: '5s', after: '2s' },
  ]);
  expect(text).toContain('    ~ route all: timeouts.request: 5s -> 2s');
  const gone = await compared([policy('routes: []')], { delete: true });
  expect(gone.json.applied).toEqual([{ object: 'TrafficPolicy shop/reviews', change: 'deleted' }]);
  expect(gone.json.destinations[0]?.changes).toContainEqual({
    what: 'route all: timeouts.request',
    before: '5s',
  });
});

test('a policy of callers is told of their namespace alone', async () => {
  const consumer = policy('routes: [{name: mine, timeouts: {request: 1s}}]')
    .replace('namespace: shop', 'namespace: front')
    .replace('{kind: Service, name: reviews}', '{kind: Service, name: reviews, namespace: shop}');
  const { json } = await compared([consumer]);
  expect(json.destinations.map(({ service: of, callers }) => [of, callers])).toEqual([
    ['shop/reviews:8080', 'front'],
  ]);
});

test('a limit is told of the pods that enforce it', async () => {
  const { json, text } = await compared([policy('rateLimit: [{name: all, requests: 10, per: 1s}]')]);
  expect(json.workloads).toEqual([
    {
      pods: ['shop/reviews-1'],
      changes: expect.arrayContaining([
        expect.objectContaining({ after: '10 in 1000ms, 10 at once, shared by 1' }),
      ]),
    },
  ]);
  expect(text).toMatch(/What pods do with calls to them\n  1 pod: shop\/reviews-1\n/);
});

test('how somebody else is asked is told in each part that changes', async () => {
  const asked = (over: object): object => ({
    externalAuthorization: { service: { name: 'auth', port: 4180 }, protocol: 'HTTP', ...over },
  });
  // YAML holds JSON.
  const checked = (over: object): string => policy(JSON.stringify(asked(over)).slice(1, -1));
  const before = { targetRefs: [{ kind: 'Service', name: 'reviews' }], ...asked({ http: { path: '/a' } }) };
  cluster.policy('reviews', [], { spec: before });
  for (const [over, where] of [
    [{ http: { path: '/b' } }, 'http.prefix'],
    [{ http: { path: '/a', allowedResponseHeaders: ['x-user'] } }, 'http.toApplication'],
    [{ http: { path: '/a' }, body: { maxBytes: 1024 } }, 'body.maxBytes'],
    [{ http: { path: '/a' }, timeout: '300ms' }, 'timeout'],
  ] as const) {
    const { json } = await compared([checked(over)]);
    const changes = json.workloads.flatMap((workload) => workload.changes.map(({ what }) => what));
    expect(changes).toContainEqual(expect.stringContaining(where));
  }
});

test('what callers may reach outside is told of their pods', async () => {
  cluster.namespace('shop', { 'weft.dev/outbound-policy': 'RegistryOnly' });
  const stripe = (spec: string): string => `${head('ExternalService', 'stripe')}spec: {${spec}}\n`;
  const { json } = await compared([stripe('hosts: [api.stripe.com], ports: [{port: 443, protocol: TLS}]')]);
  expect(json.workloads).toEqual([
    {
      pods: ['shop/reviews-1'],
      changes: expect.arrayContaining([
        { what: 'external service shop/stripe: hosts', after: 'api.stripe.com' },
      ]),
    },
  ]);
});

test('whom a role would refuse is told by name, request and binding, and whom it goes on letting in is not', async () => {
  const denied = await compared([ROLE, binding('Deny')]);
  expect(denied.json.access).toEqual([
    {
      caller: 'front/web',
      service: 'shop/reviews:8080',
      request: 'GET /api/x',
      allowed: false,
      by: ['shop/web'],
    },
  ]);
  expect(denied.text).toContain(
    '  refused from now on: front/web -> shop/reviews:8080: GET /api/x (by shop/web)',
  );
  expect(denied.text).toMatch(/1 caller would be refused something\.$/);
  expect((await compared([ROLE, binding('Allow')])).json.access).toEqual([]);
});

test('a namespace that is closed refuses all but those who are bound', async () => {
  for (const [collection, name, spec] of [
    ['meshroles', 'reader', { rules: [{ methods: ['GET'], paths: ['/api/*'] }] }],
    [
      'meshrolebindings',
      'web',
      {
        roleRef: { kind: 'MeshRole', name: 'reader' },
        subjects: [{ serviceAccount: { name: 'web', namespace: 'front' } }],
      },
    ],
  ] as const)
    cluster.server.put(`/apis/weft.dev/v1alpha1/${collection}`, {
      metadata: { name, namespace: 'shop' },
      spec,
    });
  const closed =
    'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {weft.dev/inject: enabled, weft.dev/default-access: Deny}}\n';
  const { json } = await compared([closed]);
  const refused = (caller: string) =>
    json.access.filter((change) => change.caller === caller && !change.allowed).map(({ request }) => request);
  expect(refused('front/web')).toEqual(['bytes', 'GET /']);
  expect(refused('plain')).toEqual(['bytes', 'GET /', 'GET /api/x']);
  expect(refused('any other account')).toEqual(['bytes', 'GET /', 'GET /api/x']);
});

test('what mode Strict keeps out is told', async () => {
  const strict = `${head('MeshTLSPolicy', 'all')}spec: {mode: Strict}\n`;
  const { json } = await compared([strict]);
  expect(json.access).toEqual([
    expect.objectContaining({ caller: 'plain', request: 'bytes', allowed: false, by: ['mTLS mode Strict'] }),
    expect.objectContaining({ caller: 'plain', request: 'GET /' }),
  ]);
  expect(json.workloads).toContainEqual({
    pods: ['shop/reviews-1'],
    changes: expect.arrayContaining([{ what: 'mtls', before: 'permissive', after: 'strict' }]),
  });
});

/** A replica of the control plane that remembers: six times as much in each of thirty minutes. */
function replica(name: string, history: object | undefined): void {
  const { server } = cluster;
  const labels = { 'app.kubernetes.io/name': 'weft', 'weft.dev/rev': 'default' };
  server.put('/api/v1/pods', {
    metadata: { name, namespace: 'weft-system', labels },
    spec: { containers: [] },
    status: { phase: 'Running' },
  });
  server.onPost('/api/v1/namespaces/weft-system/serviceaccounts/weft-default-view/token', () => ({
    status: 201,
    body: { status: { token: 'a-token' } },
  }));
  const path = `/api/v1/namespaces/weft-system/pods/https:${name}:15114/proxy/history`;
  if (history !== undefined) server.onGet(path, () => JSON.stringify(history));
}

/** `web` of namespace front sends 10, `old` of shop, which runs no more, 2, and somebody without a certificate 1: in ten seconds. */
const EDGES = [
  saidEdge({
    by: 'web',
    namespace: 'front',
    service: 'shop/reviews',
    route: 'all',
    counts: { ok: 9, serverError: 1 },
  }),
  saidEdge({ by: 'web', namespace: 'front', service: 'shop/reviews', route: 'other', counts: { ok: 5 } }),
  saidEdge({ by: 'web', namespace: 'front', service: 'shop/else', route: 'all', counts: { ok: 7 } }),
  ...[idOf('web', 'front'), idOf('old'), ''].map((peer, index) =>
    saidEdge({
      by: 'reviews',
      direction: 'inbound',
      peer,
      tls: peer === '' ? 'none' : 'mutual',
      counts: { ok: [15, 2, 1][index] ?? 0 },
    }),
  ),
];

test('requests of the last half hour are counted on the routes, at the pods and of the callers that the change is about', async () => {
  replica('weft-1', saidHistory(EDGES));
  cluster.policy('reviews', [], {
    spec: {
      targetRefs: [{ kind: 'Service', name: 'reviews' }],
      routes: [{ name: 'all', match: [{ path: { prefix: '/all' } }] }, { name: 'other' }],
    },
  });
  const routes = (time: string, path: string): string =>
    policy(
      `routes: [{name: all, match: [{path: {prefix: ${path}}}], timeouts: {request: ${time}}}, {name: other}]`,
    );
  // A time concerns its route; a match decides which requests are on others, too.
  const timed = await compared([routes('2s', '/all')]);
  const web = { caller: 'front/deployment/web', service: 'shop/reviews:8080', connections: 0 };
  expect(timed.json.touched).toEqual({
    minutes: 30,
    partial: false,
    sent: [{ ...web, route: 'all', requests: 1800 }],
    received: [],
    judged: [],
  });
  expect(timed.text).toContain(
    'Traffic of the last 30 minutes that this affects\n  1800 requests of front/deployment/web to shop/reviews:8080 on route all\n',
  );
  const matched = await compared([routes('2s', '/some')]);
  expect(matched.json.touched?.sent).toEqual([
    { ...web, route: 'all', requests: 1800 },
    { ...web, route: 'other', requests: 900 },
  ]);
});

test('whom a role would refuse is told with what came from them, and so is who called and runs no more', async () => {
  replica('weft-1', saidHistory(EDGES));
  const denied = await compared([ROLE, binding('Deny')]);
  const reviews = { service: 'shop/reviews:8080', allowed: false, connections: 0 };
  expect(denied.json.touched?.judged).toEqual([{ ...reviews, caller: 'front/web', requests: 2700 }]);
  expect(denied.json.touched?.received).toEqual([
    { workload: 'shop/deployment/reviews', port: '8080', requests: 3240, connections: 0 },
  ]);
  const closed =
    'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {weft.dev/inject: enabled, weft.dev/default-access: Deny}}\n';
  const { json, text } = await compared([closed]);
  expect(json.touched?.judged.map(({ caller, requests }) => [caller, requests])).toEqual([
    ['front/web', 2700],
    ['shop/old', 360],
    ['plain', 180],
  ]);
  expect(text).toContain(
    '  2700 requests of front/web to shop/reviews:8080; those like the ones above would be refused\n',
  );
});

test('what is remembered in part or not at all is said', async () => {
  const change = policy('routes: [{name: all, timeouts: {request: 1s}}]');
  const absent = await compared([change]);
  expect(absent.json.touched).toBeUndefined();
  expect(absent.json.notes).toEqual([
    expect.stringMatching(/^how many requests it would touch is not known: no control plane runs/),
  ]);
  replica('weft-1', { ...saidHistory(EDGES), endedMs: 0, coversMs: 30_000 });
  expect((await compared([change])).json.notes).toEqual([
    'how many requests it would touch is not known: no control plane has run for a minute',
  ]);
  replica('weft-2', { ...saidHistory(EDGES), endedMs: 0, coversMs: 120_000 });
  const part = await compared([change]);
  expect(part.json.touched).toMatchObject({ minutes: 2, partial: true });
  expect(part.text).toContain(
    'note: of 2 minutes not every replica of the control plane can tell: there may have been more requests than are counted',
  );
  replica('weft-3', undefined);
  expect((await compared([change])).text).toMatch(/note: weft-3 did not answer, so its proxies are missing/);
});

test('traffic that the change is not about is not counted', async () => {
  replica('weft-1', saidHistory([saidEdge({ by: 'web', service: 'shop/else', counts: { ok: 7 } })]));
  const { text } = await compared([policy('routes: [{name: all, timeouts: {request: 1s}}]')]);
  expect(text).toContain('Traffic of the last 30 minutes that this affects\n  none\n');
});

test('what the API server would refuse is refused here, with the code', async () => {
  await expect(compared([policy('routes: [{timeouts: {request: soon}}]')])).rejects.toThrow(
    /TrafficPolicy shop\/reviews would be refused: spec\.routes\[0\]\.timeouts\.request: .*\[WEFT103\]/,
  );
});

test('what the mesh is not made of is named, and changes nothing', async () => {
  const config = 'apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: shop}\n';
  const { differs, json } = await compared([config]);
  expect(differs).toBe(false);
  expect(json.notes).toContain('Secret shop/a: is not compared: the mesh is not made of such objects');
});

test('a bound that was reached is told, and nothing is said of what lies beyond', async () => {
  const bindings = [0, 1, 2, 3].map((part) => {
    const subjects = Array.from(
      { length: 50 },
      (_, index) => `{serviceAccount: {name: a${part}-${index}, namespace: front}}`,
    );
    return binding('Allow')
      .replace('name: web,', `name: web-${part},`)
      .replace(/subjects: .*$/m, `subjects: [${subjects.join(', ')}]}`);
  });
  const accounts = await compared([ROLE, ...bindings]);
  expect(accounts.json.access).toEqual([]);
  expect(accounts.json.notes).toContain(
    'who is let in to namespace shop was asked for 200 accounts; 2 more were not',
  );
  expect(accounts.text).toMatch(/; of what was asked, nobody would be refused who is let in now\.$/);
  const paths = Array.from({ length: 9 }, (_, index) => `/p${index}`);
  const role = ROLE.replace('/api/*', paths.join(', '));
  const requests = await compared([role, binding('Deny')]);
  expect(requests.json.notes).toContain(
    'not every request that rules of shop/reviews:8080 are about was asked',
  );
  expect(requests.text).toMatch(/1 caller would be refused something\.$/);
});

test('both sides begin with the same last good forms', async () => {
  await compared([policy('routes: [{timeouts: {request: 1s}}]')]);
  const recalled = cluster.server.requests.filter(
    ({ path }) => path === '/api/v1/namespaces/weft-system/configmaps',
  );
  // One for each form of output.
  expect(recalled).toHaveLength(2);
});

test('nothing is written', async () => {
  await compared([policy('routes: [{timeouts: {request: 1s}}]')]);
  expect(cluster.server.requests.filter(({ method }) => method !== 'GET')).toEqual([]);
});
