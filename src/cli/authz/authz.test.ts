import { generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { MeshError } from '../../base/index.js';
import { meshContainers } from '../../testing/index.js';
import { ClusterFixture } from '../cluster.fixture.js';
import { createPage } from '../page.js';
import { canI, type CanIOptions } from './can-i.js';
import { whoCan } from './who-can.js';

const page = createPage({ colours: false });
let cluster: ClusterFixture;

const weft = (kind: string, name: string, spec: object, status: object = {}): void => {
  const plural = kind === 'MeshTLSPolicy' ? 'meshtlspolicies' : `${kind.toLowerCase()}s`;
  const namespace = kind === 'MeshConfig' ? {} : { namespace: 'shop' };
  const metadata = { name, ...namespace, uid: `${kind}/${name}`, generation: 1 };
  cluster.server.put(`/apis/weft.dev/v1alpha1/${plural}`, {
    apiVersion: 'weft.dev/v1alpha1',
    kind,
    metadata,
    spec,
    status,
  });
};
const role = (name: string, ...rules: object[]): void => weft('MeshRole', name, { rules });
const PROGRAMMED = { conditions: [{ type: 'Programmed', status: 'True', observedGeneration: 1 }] };
const binding = (name: string, spec: object = {}): void =>
  weft(
    'MeshRoleBinding',
    name,
    {
      subjects: [{ serviceAccount: { name: 'web' } }],
      roleRef: { kind: 'MeshRole', name: 'reader' },
      ...spec,
    },
    PROGRAMMED,
  );
const byDefault = (word: string): void =>
  cluster.namespace('shop', { 'weft.dev/inject': 'enabled', 'weft.dev/default-access': word });

function pod(name: string, app = 'reviews', meshed = true): void {
  const mesh = meshContainers();
  cluster.server.put('/api/v1/pods', {
    metadata: { name, namespace: 'shop', uid: name, labels: { app } },
    spec: {
      serviceAccountName: 'reviews',
      containers: [{ name: 'app' }],
      initContainers: meshed ? [mesh.init, mesh.proxy] : [],
    },
    status: { phase: 'Running', podIPs: [{ ip: '10.244.0.7' }] },
  });
}

function service(name: string, ...ports: object[]): void {
  cluster.server.put('/api/v1/services', {
    metadata: { name, namespace: 'shop' },
    spec: { selector: { app: 'reviews' }, ports },
  });
}

/** The slice of a Service, by whose port its pods know how they are read. */
function slice(service_: string, port: number, ...pods: string[]): void {
  cluster.server.put('/apis/discovery.k8s.io/v1/endpointslices', {
    metadata: { name: service_, namespace: 'shop', labels: { 'kubernetes.io/service-name': service_ } },
    addressType: 'IPv4',
    ports: [{ name: '', port, protocol: 'TCP' }],
    endpoints: pods.map((uid) => ({ addresses: ['10.244.0.7'], targetRef: { kind: 'Pod', uid } })),
  });
}

beforeEach(async () => {
  cluster = await ClusterFixture.start();
  cluster.controlPlane();
  cluster.namespace('shop');
  service('reviews', { port: 8080, targetPort: 9080, appProtocol: 'http' });
  pod('reviews-1');
});

afterEach(() => cluster.stop());

const where = () => ({ client: cluster.client, page, revision: 'default', systemNamespace: 'weft-system' });
const ask = (caller: string, request: readonly string[], options: Partial<CanIOptions> = {}) =>
  canI({ ...where(), caller, service: 'shop/reviews', request, header: [], output: 'text', ...options });
const said = async (...of: Parameters<typeof ask>): Promise<string> => {
  const { ok, text } = await ask(...of);
  return `${ok ? 'yes' : 'no'}\n${text}`;
};

test('where nobody has said anything everybody may, and it says what would change that', async () => {
  expect(await said('qa/load', ['GET', '/'])).toBe(
    [
      'yes',
      'allowed: qa/load may GET / of shop/reviews:8080',
      '  by the default of namespace shop, Allow (nobody has said otherwise)',
      'judged by 1 pod: reviews-1:9080',
      'What would change it:',
      '  - kubectl label namespace shop weft.dev/default-access=Deny --overwrite: then what no binding allows is refused',
    ].join('\n'),
  );
});

test('what decides is named with its place, and what would be without it', async () => {
  byDefault('Deny');
  role('reader', { paths: ['/other'] }, { services: ['reviews'], methods: ['GET'], paths: ['/api/*'] });
  binding('web-reads', { subjects: [{ namespace: { name: 'qa' } }, { serviceAccount: { name: 'web' } }] });
  expect(await said('shop/web', ['GET', '/api/items?x=/../'])).toBe(
    [
      'yes',
      'allowed: shop/web may GET /api/items of shop/reviews:8080',
      '  by MeshRoleBinding shop/web-reads (Allow, spec.subjects[1], MeshRole shop/reader spec.rules[1])',
      'judged by 1 pod: reviews-1:9080',
      'What would change it:',
      '  - taking the caller out of MeshRoleBinding shop/web-reads (Allow, spec.subjects[1], MeshRole shop/reader spec.rules[1]): then it would be refused by the default',
    ].join('\n'),
  );
  const refused = await said('shop/web', ['POST', '/api/items']);
  expect(refused).toMatch(
    /^no\nrefused: .*\n {2}by the default of namespace shop, Deny \(label weft.dev\/default-access=Deny\)/,
  );
  expect(refused).toContain(
    'MeshRole shop/reader spec.rules[1], which MeshRoleBinding shop/web-reads grants to the caller: its methods do not hold',
  );
  expect(await said('shop/web-2', ['GET', '/api/items'])).toContain(
    '- a subject for the caller in MeshRoleBinding shop/web-reads, which allows this to others',
  );
  expect(await said('shop/web-2', ['GET', '/elsewhere'])).toContain(
    '- a MeshRole and a MeshRoleBinding in namespace shop that allow it',
  );
});

test('a denial comes before what allows, one whose role is missing too', async () => {
  byDefault('Deny');
  role('reader', { services: ['reviews'] });
  binding('web-reads');
  binding('nobody', {
    effect: 'Deny',
    subjects: [{ caller: 'Anyone' }],
    roleRef: { kind: 'MeshRole', name: 'lost' },
  });
  expect(await said('shop/web', ['GET', '/'])).toContain(
    [
      '  by MeshRoleBinding shop/nobody (Deny, spec.subjects[0], MeshRole shop/lost is missing: everything)',
      'judged by 1 pod: reviews-1:9080',
      'What would change it:',
      '  - taking the caller out of MeshRoleBinding shop/nobody (Deny, spec.subjects[0], MeshRole shop/lost is missing: everything): then it would be allowed by shop/web-reads',
    ].join('\n'),
  );
});

test('what is rehearsed is shown and decides nothing', async () => {
  role('reader', { paths: ['/admin/*'] });
  binding('no-admin', {
    effect: 'Deny',
    mode: 'DryRun',
    subjects: [{ allOf: [{ not: { namespace: { name: 'ops' } } }] }],
  });
  const text = await said('shop/web', ['GET', '/ADMIN']);
  expect(text).toMatch(/^yes\nallowed/);
  expect(text).toContain(
    'once what is rehearsed is enforced: refused\n  by MeshRoleBinding shop/no-admin (Deny, DryRun, spec.subjects[0], MeshRole shop/reader spec.rules[0])',
  );
  expect(text).toContain(
    '- mode: Enforce on MeshRoleBinding shop/no-admin, which denies it once it is enforced',
  );
  expect(await said('ops/web', ['GET', '/admin'])).not.toContain('rehearsed');
  byDefault('DryRunDeny');
  expect(await said('ops/web', ['GET', '/admin'])).toContain(
    'once what is rehearsed is enforced: refused\n  by the default of namespace shop, DryRunDeny',
  );
});

test('an ambiguous path is refused where a rule asks about paths', async () => {
  expect(await said('shop/web', ['GET', '/api/../admin'])).toMatch(/^yes/);
  role('reader', { paths: ['/api/*'] });
  binding('web-reads');
  expect(await said('shop/web', ['GET', '/api/../admin'])).toMatch(
    /^no\nrefused: .*\n {2}by the path has more than one reading \(it has a dot segment/,
  );
});

test('callers without a certificate, of another domain, from an address, with headers', async () => {
  byDefault('Deny');
  role('reader', { services: ['reviews'], headers: [{ name: 'X-Group', exact: 'staff' }] });
  binding('web-reads', {
    subjects: [
      { serviceAccount: { name: 'web', namespace: 'shop', trustDomain: 'partner.example' } },
      { allOf: [{ caller: 'Unauthenticated' }, { cidr: '10.0.0.0/8' }] },
    ],
  });
  const staff = { header: ['x-group: staff'] };
  const partner = 'spiffe://partner.example/ns/shop/sa/web';
  expect(await said(partner, ['GET', '/'], staff)).toMatch(/^yes/);
  expect(await said(partner, ['GET', '/'])).toMatch(/^no/);
  expect(await said(partner, ['GET', '/'], { header: ['x-group: staff', 'x-group: guest'] })).toMatch(/^no/);
  expect(await said('shop/web', ['GET', '/'], staff)).toMatch(/^no/);
  expect(await said('plain', ['GET', '/'], { ...staff, address: '10.1.2.3' })).toMatch(/^yes/);
  expect(await said('plain', ['GET', '/'], { ...staff, address: '11.1.2.3' })).toMatch(/^no/);
  expect(await said('plain', ['GET', '/'], staff)).toMatch(/^no(.|\n)*give it with --address/);
  weft('MeshConfig', 'default', { mtls: { mode: 'Strict' } });
  expect(await said('plain', ['GET', '/'], { ...staff, address: '10.1.2.3' })).toMatch(
    /^no\n.*\n {2}by mTLS mode Strict/,
  );
  weft('MeshConfig', 'default', {});
  weft('MeshTLSPolicy', 'strict', { mode: 'Strict' });
  expect(await said('plain', ['GET', '/'], { ...staff, address: '10.1.2.3' })).toMatch(
    /^no\n.*\n {2}by mTLS mode Strict/,
  );
});

test('where mutual TLS is disabled nobody has a name', async () => {
  const env = [{ name: 'WEFT_MTLS_MINIMUM', value: 'Disabled' }];
  cluster.controlPlane({ spec: { template: { spec: { containers: [{ env }] } } } });
  byDefault('Deny');
  role('reader', { services: ['reviews'] });
  binding('web-reads');
  weft('MeshTLSPolicy', 'off', { mode: 'Disabled' });
  expect(await said('shop/web', ['GET', '/'])).toMatch(/^no(.|\n)*the mTLS mode of the port is Disabled/);
});

test('the trust domain is that of the control plane', async () => {
  const env = [{ name: 'WEFT_TRUST_DOMAIN', value: 'mesh.example' }];
  cluster.controlPlane({ spec: { template: { spec: { containers: [{ env }] } } } });
  byDefault('Deny');
  role('reader', { services: ['reviews'] });
  binding('web-reads');
  expect(await said('spiffe://mesh.example/ns/shop/sa/web', ['GET', '/'])).toMatch(
    /^yes\nallowed: shop\/web may/,
  );
  expect(await said('spiffe://cluster.local/ns/shop/sa/web', ['GET', '/'])).toMatch(/^no/);
});

test('bytes are judged by what asks nothing about requests', async () => {
  service('db', { port: 5432, appProtocol: 'tcp' });
  slice('db', 5432, 'reviews-1');
  byDefault('Deny');
  role('reader', { services: ['db'] });
  binding('web-reads');
  const db = { service: 'shop/db' };
  expect(await said('shop/web', [], db)).toMatch(
    /^yes\nallowed: shop\/web may open a connection to shop\/db:5432/,
  );
  expect(await said('shop/other', [], db)).toMatch(/^no/);
  role('reader', { services: ['db'], paths: ['/'] });
  expect(await said('shop/web', ['GET', '/'], db)).toMatch(/^no(.|\n)*declared as bytes/);
});

test('pods that do not do the same are told apart, and one that refuses is a refusal', async () => {
  pod('reviews-2', 'reviews', false);
  byDefault('Deny');
  const { ok, text } = await ask('shop/web', ['GET', '/'], { output: 'json' });
  expect(ok).toBe(false);
  expect(JSON.parse(text)).toMatchObject({
    allowed: false,
    answers: [
      { allowed: false, pods: ['reviews-1:9080'] },
      { allowed: true, pods: ['reviews-2:9080'], decidedBy: [{ object: 'no proxy' }] },
    ],
  });
});

test('a binding that proxies do not have yet is told', async () => {
  role('reader', {});
  const spec = {
    subjects: [{ caller: 'Anyone' }],
    roleRef: { kind: 'MeshRole', name: 'reader' },
    effect: 'Deny',
  };
  weft('MeshRoleBinding', 'nobody', spec, {
    conditions: [
      {
        type: 'Programmed',
        status: 'False',
        reason: 'Pending',
        message: '1 of 2 proxies',
        observedGeneration: 1,
      },
    ],
  });
  expect(await said('shop/web', ['GET', '/'])).toContain(
    'note: MeshRoleBinding shop/nobody is not in force everywhere yet: 1 of 2 proxies',
  );
});

test.each([
  ['shop', ['GET', '/'], {}, 'shop is not a caller; write namespace/serviceaccount'],
  ['shop/web', [], {}, 'port 8080 takes requests: say what is asked'],
  ['shop/web', ['GET'], {}, 'a request has a method and a path'],
  ['shop/web', ['GET', 'x'], {}, 'a request has a method and a path'],
  ['shop/web', ['GET', '/'], { header: ['x'] }, "x is not a header; write it as 'x-group: staff'"],
  ['shop/web', ['GET', '/'], { address: '10.0.0' }, '10.0.0 is not an IP address'],
  ['shop/web', ['GET', '/'], { service: 'reviews' }, 'reviews does not say which Service is meant'],
  [
    'shop/web',
    ['GET', '/'],
    { service: 'shop/review' },
    'there is no Service shop/review; did you mean shop/reviews?',
  ],
  ['shop/web', ['GET', '/'], { service: 'shpo/reviews' }, 'namespace shpo does not exist'],
  ['shop/web', ['GET', '/'], { port: 80 }, 'Service shop/reviews has no TCP port 80: --port 8080'],
  ['shop/web', ['GET', '/'], { revision: 'canary' }, 'there is no control plane of revision canary'],
] as const)('%s, %j, %j: %s', async (caller, request, options, message) => {
  await expect(ask(caller, request, options)).rejects.toThrow(message);
  await expect(ask(caller, request, options)).rejects.toThrow(MeshError);
});

test('that a call has no token of a user is said where subjects ask for one', async () => {
  role('reader', {});
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const inline = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'a' }] });
  const issuer = 'https://id.example';
  weft('JwtIssuer', 'users', { issuer, audiences: ['shop'], jwks: { inline } });
  binding('users', { subjects: [{ jwt: { issuer } }] });
  expect(await said('shop/web', ['GET', '/'])).toContain(
    'note: some subjects ask for the token of a user, and the call is taken to have none',
  );
});

test('no proxy enforces rules for a Service without pods', async () => {
  cluster.server.put('/api/v1/services', {
    metadata: { name: 'lonely', namespace: 'shop' },
    spec: { selector: { app: 'none' }, ports: [{ port: 80 }] },
  });
  await expect(ask('shop/web', ['GET', '/'], { service: 'shop/lonely' })).rejects.toThrow(
    'no proxy enforces rules',
  );
});

test('who-can lists what bindings say, those that deny first, and what holds for all others', async () => {
  byDefault('Deny');
  role(
    'reader',
    { services: ['reviews'], methods: ['GET'], paths: ['/api/{id}'] },
    { services: ['elsewhere'] },
  );
  role('admin', { paths: ['/admin/*'], headers: [{ name: 'x-signed', present: true }] });
  binding('web-reads', { subjects: [{ serviceAccount: { name: 'web' } }, { namespace: { name: 'qa' } }] });
  binding('ops-only', {
    effect: 'Deny',
    mode: 'DryRun',
    subjects: [{ allOf: [{ not: { namespace: { name: 'ops' } } }, { cidr: '10.0.0.0/8' }] }],
    roleRef: { kind: 'MeshRole', name: 'admin' },
  });
  const list = (request: readonly string[], output: 'text' | 'json' = 'text') =>
    whoCan({ ...where(), service: 'reviews', namespace: 'shop', request, header: [], output });
  const { text } = await list([]);
  expect(text.split('\n').map((line) => line.replaceAll(/ {2,}/g, ' | ').trim())).toEqual([
    'shop/reviews:8080',
    'EFFECT | MODE | WHO | BINDING | ROLE RULE | ASKS',
    'Deny | DryRun | not namespace ops and addresses 10.0.0.0/8 | shop/ops-only | admin spec.rules[0] | /admin/* x-signed present',
    'Allow | Enforce | shop/web; namespace qa | shop/web-reads | reader spec.rules[0] | GET /api/{}',
    'everybody else: refused by the default of namespace shop, Deny (label weft.dev/default-access=Deny)',
    'pods: reviews-1:9080',
  ]);
  expect(JSON.parse((await list(['GET', '/api/7'], 'json')).text)).toMatchObject({
    answers: [{ bindings: [{ binding: 'shop/web-reads' }], everybodyElse: { allowed: false } }],
  });
  expect((await list(['GET', '/none'])).text).toContain('everybody: refused by');
});
