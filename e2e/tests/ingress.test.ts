import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, inPod, namespace } from '../support/app.js';
import { podsOf, proxyMetrics, sum } from '../support/metrics.js';
import { trafficPolicy, waitForCondition } from '../support/policy.js';
import { apply, eventually, get, kubectl } from '../support/run.js';

// A real nginx in ingress mode: like an ingress controller it knows the address of a pod and nothing of its Service.
const NS = 'e2e-ingress';

const nginxConf = (endpoint: string): string => `
pid /tmp/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path /tmp/body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  upstream reviews { server ${endpoint}; keepalive 8; }
  server {
    listen 8080;
    location /healthz { return 200; }
    location / {
      proxy_pass http://reviews;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
    }
  }
}
`;

async function versionFor(host: string): Promise<string | undefined> {
  const said = await inPod(NS, 'deploy/visitor', 'request', '-url', 'http://ingress:8080/', '-host', host);
  return (JSON.parse(said) as { headers: Record<string, string> }).headers['x-version'];
}

beforeAll(async () => {
  await apply(namespace(NS));
  await deploy(
    { namespace: NS, name: 'reviews-v1', service: 'reviews', version: 'v1' },
    { namespace: NS, name: 'reviews-v2', service: 'reviews', version: 'v2' },
    { namespace: NS, name: 'visitor' },
  );
  const [pod = ''] = await podsOf(NS, 'app=reviews,version=v1');
  const { status } = await get<{ status: { podIP: string } }>('pod', pod, '-n', NS);
  await apply({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'nginx', namespace: NS },
    data: { 'nginx.conf': nginxConf(`${status.podIP}:8080`) },
  });
  await deploy({
    namespace: NS,
    name: 'ingress',
    annotations: { 'weft.dev/ingress-mode': 'enabled' },
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
        { name: 'nginx', configMap: { name: 'nginx' } },
        { name: 'tmp', emptyDir: {} },
      ],
    },
  });
  await apply(
    trafficPolicy(NS, 'reviews', {
      targetRefs: [{ kind: 'Service', name: 'reviews', port: 8080 }],
      routes: [{ split: [{ labels: { version: 'v2' } }] }],
    }),
  );
  await waitForCondition(NS, 'reviews', 'Programmed', 'True');
});

afterAll(() => kubectl('delete', 'namespace', NS, '--wait=false'));

test('the routes of the one Service behind an endpoint hold, whatever the host', async () => {
  await eventually('v2 answers', async () => (await versionFor('www.example.com')) === 'v2');
  expect(await versionFor(`reviews.${NS}.svc.cluster.local`)).toBe('v2');
});

test('where two Services share the endpoint the host says which, and a host of neither means the pod', async () => {
  await apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'reviews-v1', namespace: NS },
    spec: { selector: { deployment: 'reviews-v1' }, ports: [{ name: 'http', port: 8080 }] },
  });
  await eventually('the pod answers', async () => (await versionFor('www.example.com')) === 'v1');
  expect(await versionFor(`reviews.${NS}`)).toBe('v2');
  expect(await versionFor(`reviews-v1.${NS}.svc`)).toBe('v1');
  expect(await versionFor(`visitor.${NS}.svc.cluster.local`)).toBe('v1');
});

test('what comes from outside travels over mutual TLS with the identity of the ingress', async () => {
  const [pod = ''] = await podsOf(NS, 'app=reviews,version=v2');
  const peer = `spiffe://cluster.local/ns/${NS}/sa/ingress`;
  const samples = await proxyMetrics(NS, pod);
  expect(sum(samples, 'weft_requests_total', { direction: 'inbound', peer, tls: 'mutual' })).toBeGreaterThan(
    0,
  );
});
