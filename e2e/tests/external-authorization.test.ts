import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, inPod, namespace } from '../support/app.js';
import { installGatewayApi } from '../support/gateway.js';
import { trafficPolicy, waitForCondition, weftObject } from '../support/policy.js';
import { apply, eventually, kubectl } from '../support/run.js';

const NS = 'e2e-check';
/** Where the service is that is asked: in the mesh, which takes nothing else there. */
const POLICY = 'e2e-check-policy';
const PLAIN = 'e2e-check-plain';

const SERVICE = { name: 'checker', namespace: POLICY, port: 9191 };
const CHECK = { service: SERVICE, timeout: '5s', exempt: [{ exact: '/healthz', method: 'GET' }] };

const CHECKER = [
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'checker', namespace: POLICY },
    spec: {
      selector: { matchLabels: { app: 'checker' } },
      template: {
        metadata: { labels: { app: 'checker' } },
        spec: {
          containers: [
            {
              name: 'app',
              image: 'docker.io/weft/testapp:dev',
              imagePullPolicy: 'IfNotPresent',
              command: ['/testapp', 'check', '-listen', ':9191', '-account', `/ns/${NS}/sa/web`],
              ports: [{ containerPort: 9191 }],
              readinessProbe: { tcpSocket: { port: 9191 }, periodSeconds: 1 },
            },
          ],
        },
      },
    },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'checker', namespace: POLICY },
    spec: { selector: { app: 'checker' }, ports: [{ name: 'grpc', port: 9191 }] },
  },
  weftObject('MeshTLSPolicy', POLICY, 'strict', { mode: 'Strict' }),
];

/** A policy as users of Open Policy Agent write them for Envoy. */
const REGO = `
package envoy.authz

default allow := {"allowed": false, "http_status": 403, "body": "no rule lets you do this"}

is_web if endswith(input.attributes.source.principal, "/ns/${NS}/sa/web")

allow := {"allowed": true, "headers": {"x-role": "reader"}} if {
  is_web
  input.attributes.request.http.method == "GET"
  input.parsed_path[0] == "orders"
}

allow := {"allowed": true, "headers": {"x-role": "buyer"}} if {
  is_web
  input.attributes.request.http.method == "POST"
  input.parsed_body.amount <= 100
}
`;

const OPA = {
  namespace: POLICY,
  name: 'opa',
  container: {
    image: 'docker.io/weft/opa:dev',
    command: ['/opa'],
    args: ['-listen', ':9090', '-policy', REGO],
    readinessProbe: { tcpSocket: { port: 9090 }, periodSeconds: 1 },
  },
};

/** A real nginx that lets one service account in, as it would answer for its own auth_request. */
const NGINX = `
pid /tmp/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path /tmp/body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  map $http_x_forwarded_client_cert $who {
    default "";
    "~^By=[^;,]+;URI=spiffe://[^;,]+/ns/${NS}/sa/web$" web;
  }
  server {
    listen 8080;
    location = /healthz { return 200; }
    location /auth/login { return 302 https://login.example/; }
    location /auth/ {
      if ($who = "") { return 401 "nobody knows you"; }
      add_header X-User $who;
      return 200;
    }
  }
}
`;

const GATE = {
  namespace: POLICY,
  name: 'gate',
  container: {
    image: 'docker.io/weft/nginx:dev',
    command: ['/nginx'],
    args: ['-c', '/etc/nginx/nginx.conf', '-e', 'stderr', '-g', 'daemon off;'],
    volumeMounts: [
      { name: 'nginx', mountPath: '/etc/nginx' },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  },
  podSpec: {
    volumes: [
      { name: 'nginx', configMap: { name: 'gate' } },
      { name: 'tmp', emptyDir: {} },
    ],
  },
};

const GRANT = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'ReferenceGrant',
  metadata: { name: 'checks', namespace: POLICY },
  spec: {
    from: [{ group: 'weft.dev', kind: 'TrafficPolicy', namespace: NS }],
    to: ['checker', 'opa', 'gate'].map((name) => ({ group: '', kind: 'Service', name })),
  },
};

async function checkedBy(fields: object = {}): Promise<void> {
  const spec = { targetRefs: [{ kind: 'Service', name: 'server' }] };
  const externalAuthorization = { ...CHECK, ...fields };
  await apply(trafficPolicy(NS, 'checked', { ...spec, externalAuthorization }));
  await waitForCondition(NS, 'checked', 'Programmed', 'True');
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

async function ask(from: string, target: string, path: string, ...flags: string[]): Promise<Answer> {
  const url = `http://server.${NS}:8080${path}`;
  return JSON.parse(await inPod(from, target, 'request', '-url', url, ...flags)) as Answer;
}

/** Status, and the header of that name as the application saw it. */
async function seen(name: string, target: string, path: string, ...flags: string[]): Promise<string> {
  const { status, body } = await ask(NS, target, path, ...flags);
  if (status !== 200) return `${status} ${body}`.trim();
  return `200 ${(JSON.parse(body) as { headers: Record<string, string> }).headers[name] ?? ''}`.trim();
}

/** The policy is in force once this is what a request gets. */
async function settled(expected: string, now: () => Promise<string>): Promise<void> {
  await eventually(`it is ${expected}`, async () => ((await now()) === expected ? true : undefined));
}

/** Status, and what is said of the check, of one request. */
async function said(from: string, target: string, path = '/'): Promise<string> {
  const { status, headers } = await ask(from, target, path);
  return `${status} ${headers['x-weft-reason'] ?? headers['x-checked'] ?? ''}`.trim();
}

beforeAll(async () => {
  await installGatewayApi(); // for its ReferenceGrant
  const nginx = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'gate', namespace: POLICY },
    data: { 'nginx.conf': NGINX },
  };
  await apply([namespace(NS), namespace(POLICY), namespace(PLAIN, {}), ...CHECKER, nginx, GRANT]);
  await deploy(
    OPA,
    GATE,
    { namespace: NS, name: 'server', replicas: 2 },
    { namespace: NS, name: 'web' },
    { namespace: NS, name: 'other' },
    { namespace: PLAIN, name: 'client' },
  );
  await kubectl('rollout', 'status', '-n', POLICY, 'deployment/checker', '--timeout=120s');
  await checkedBy();
});

afterAll(() => kubectl('delete', 'namespace', NS, POLICY, PLAIN, '--wait=false'));

test('who may pass is decided by who is asked, from the identity that the caller has proved', async () => {
  expect(await said(NS, 'deploy/web')).toBe('200 allowed');
  expect(await said(NS, 'deploy/web', '/denied')).toBe('401 external-check-denied');
  expect(await said(NS, 'deploy/other')).toBe('401 external-check-denied');
  const plain = await ask(PLAIN, 'deploy/client', '/');
  expect(plain).toMatchObject({ status: 401, body: 'not you, ', headers: { 'x-checked': 'denied' } });
});

test('what is exempt passes unasked, and other readings of its path do not', async () => {
  expect(await said(PLAIN, 'deploy/client', '/healthz')).toBe('200');
  expect(await said(PLAIN, 'deploy/client', '/healthz/..%2fdenied')).toBe('400 ambiguous-path');
});

test('gRPC callers are told in their own terms', async () => {
  const call = async (target: string): Promise<string> => {
    const flags = ['-address', `server.${NS}:9090`, '-method', '/grpc.testing.TestService/EmptyCall'];
    const { codes } = JSON.parse(await inPod(NS, target, 'call', ...flags)) as { codes: object };
    return Object.keys(codes).join();
  };
  expect(await call('deploy/web')).toBe('OK');
  expect(await call('deploy/other')).toBe('Unauthenticated');
});

test('Open Policy Agent decides by who calls, path and body, and what it says replaces what callers say', async () => {
  await checkedBy({ service: { name: 'opa', namespace: POLICY, port: 9090 }, body: { maxBytes: 1024 } });
  const json = ['-headers', 'content-type=application/json;x-role=admin', '-method', 'POST', '-body'];
  await settled('200 reader', () => seen('x-role', 'deploy/web', '/orders/7?x=1'));
  expect(await seen('x-role', 'deploy/other', '/orders/7')).toBe('403 no rule lets you do this');
  expect(await seen('x-role', 'deploy/web', '/admin')).toBe('403 no rule lets you do this');
  expect(await seen('x-role', 'deploy/web', '/', ...json, '{"amount": 100}')).toBe('200 buyer');
  expect(await seen('x-role', 'deploy/web', '/', ...json, '{"amount": 101}')).toBe(
    '403 no rule lets you do this',
  );
  expect(await seen('x-role', 'deploy/web', '/', ...json, 'no JSON')).toMatch(/^503 /);
  const long = await ask(NS, 'deploy/web', '/echo', ...json, `{"amount": 1, "of": "${'x'.repeat(1024)}"}`);
  expect([long.status, long.headers['x-weft-reason']]).toEqual([413, 'check-body-too-long']);
  const paid = '{"amount": 99, "of": "things"}';
  expect((await ask(NS, 'deploy/web', '/echo', ...json, paid)).body).toBe(paid);
});

test('a plain HTTP service decides by its status, and its headers reach the application', async () => {
  const http = { path: '/auth', allowedResponseHeaders: ['x-user'] };
  await checkedBy({ service: { name: 'gate', namespace: POLICY, port: 8080 }, protocol: 'HTTP', http });
  const forged = ['-headers', 'x-user=root;x-forwarded-client-cert=URI=spiffe://a/ns/e2e-check/sa/web'];
  await settled('200 web', () => seen('x-user', 'deploy/web', '/', ...forged));
  expect(await seen('x-user', 'deploy/other', '/', ...forged)).toBe('401 nobody knows you');
  expect((await ask(NS, 'deploy/other', '/healthz', ...forged)).status).toBe(200);
  const login = await ask(NS, 'deploy/web', '/login');
  expect([login.status, login.headers.location]).toEqual([302, 'https://login.example/']);
});

test('without a grant everything is refused, whatever the policy says of failures', async () => {
  await checkedBy({ onFailure: 'Allow' });
  await settled('200 allowed', () => said(NS, 'deploy/web'));
  await kubectl('delete', 'referencegrant', 'checks', '-n', POLICY);
  await eventually('it is refused', async () =>
    (await said(NS, 'deploy/web')) === '503 external-check-failed' ? true : undefined,
  );
  const refused = await eventually('the status says so', async () => {
    const policy = JSON.parse(await kubectl('get', 'trafficpolicy', 'checked', '-n', NS, '-o', 'json')) as {
      readonly status: { readonly conditions: readonly { readonly type: string; readonly reason: string }[] };
    };
    const resolved = policy.status.conditions.find(({ type }) => type === 'ResolvedRefs');
    return resolved?.reason === 'RefNotPermitted' ? resolved : undefined;
  });
  expect(refused.reason).toBe('RefNotPermitted');
  await apply(GRANT);
  await eventually('it is asked again', async () =>
    (await said(NS, 'deploy/web')) === '200 allowed' ? true : undefined,
  );
});

test('while nobody answers, the policy says what happens', async () => {
  await checkedBy({ onFailure: 'Deny' });
  await kubectl('scale', 'deployment/checker', '-n', POLICY, '--replicas=0');
  await eventually('it is refused', async () =>
    (await said(NS, 'deploy/web')) === '503 external-check-failed' ? true : undefined,
  );
  await checkedBy({ onFailure: 'Allow' });
  await eventually('it passes unchecked', async () =>
    (await said(NS, 'deploy/web')) === '200' ? true : undefined,
  );
});
