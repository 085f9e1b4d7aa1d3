import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { ClusterFixture } from '../cluster.fixture.js';
import { createPage } from '../page.js';
import { egressText, networkPolicyText } from './index.js';

const page = createPage({ colours: false });
let cluster: ClusterFixture;

beforeEach(async () => {
  cluster = await ClusterFixture.start();
  cluster.namespace('shop');
});

afterEach(() => cluster.stop());

function says(pod: string, ...lines: readonly string[]): void {
  cluster.pod(pod, true);
  const path = `/api/v1/namespaces/shop/pods/${pod}:15121/proxy/metrics`;
  cluster.server.onGet(path, () =>
    ['# metrics', ...lines.map((line) => `weft_egress_total{${line}`)].join('\n'),
  );
}

const ALLOWED = 'service="shop/stripe",host="*.stripe.com",port="443",verdict="allowed",reason=""}';
const REFUSED = 'service="",host="evil.example",port="443",verdict="refused",reason="unknown-destination"}';
const WOULD = 'service="",host="others",port="0",verdict="would-refuse",reason="unknown-destination"}';

test('who calls what outside is added up by service account, what is refused first', async () => {
  says('a', `${ALLOWED} 3`, `${REFUSED} 2`);
  says('b', `${ALLOWED} 4`, `${WOULD} 5`);
  cluster.pod('c', true);
  const options = { client: cluster.client, page, namespace: 'shop' };
  const text = await egressText({ ...options, output: 'text' });
  expect(text.split('\n').slice(0, 4)).toEqual([
    expect.stringMatching(/^CALLER +HOST +PORT +DECLARED BY +ALLOWED +WOULD REFUSE +REFUSED +WHY/),
    expect.stringMatching(/^shop\/\S* +evil\.example +443 +- +0 +0 +2 +unknown-destination/),
    expect.stringMatching(/^shop\/\S* +others +- +- +0 +5 +0 +unknown-destination/),
    expect.stringMatching(/^shop\/\S* +\*\.stripe\.com +443 +shop\/stripe +7 +0 +0/),
  ]);
  expect(text).toMatch(/1 proxy did not answer, such as that of shop\/c: /);
  const report = JSON.parse(await egressText({ ...options, output: 'json' })) as object;
  expect(report).toMatchObject({
    calls: [
      { host: 'evil.example', port: 443, refused: 2 },
      { wouldRefuse: 5 },
      { externalService: 'shop/stripe', allowed: 7 },
    ],
    asked: 2,
    leftOut: 0,
  });
});

test('where nobody judges the command says so', async () => {
  says('a');
  expect(await egressText({ client: cluster.client, page, output: 'text' })).toMatch(
    /^1 proxy judged nothing .* AllowAny nobody judges$/,
  );
  await expect(
    egressText({ client: cluster.client, page, namespace: 'shpo', output: 'text' }),
  ).rejects.toThrow(/namespace shpo does not exist; try: weft egress -n shop/);
});

function declare(name: string, spec: object): void {
  cluster.server.put('/apis/weft.dev/v1alpha1/externalservices', {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'ExternalService',
    metadata: { name, namespace: 'shop' },
    spec,
  });
}

interface Rule {
  readonly to: readonly {
    readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
  }[];
  readonly ports: readonly { readonly protocol: string; readonly port?: number }[];
}

test('the NetworkPolicy leaves open what is declared, and of UDP only DNS of the cluster', async () => {
  declare('stripe', { hosts: ['api.stripe.com'], ports: [{ port: 443, protocol: 'TLS' }] });
  declare('db', { addresses: ['203.0.113.0/24'], ports: [{ port: 5432, protocol: 'TCP' }] });
  declare('broken', { ports: [] });
  cluster.server.put('/apis/discovery.k8s.io/v1/endpointslices', {
    metadata: { name: 'k', namespace: 'default', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: 'IPv4',
    ports: [{ name: 'https', port: 6443, protocol: 'TCP' }],
    endpoints: [{ addresses: ['192.0.2.10'], conditions: { ready: true } }],
  });
  const text = await networkPolicyText(cluster.client, 'shop');
  const { spec } = parse(text) as {
    readonly spec: { readonly egress: readonly Rule[]; readonly policyTypes: object };
  };
  expect(parse(text)).toMatchObject({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'weft-egress', namespace: 'shop' },
    spec: { podSelector: {}, policyTypes: ['Egress'] },
  });
  const udp = spec.egress.flatMap(({ ports }) => ports.filter(({ protocol }) => protocol !== 'TCP'));
  expect(udp).toEqual([{ protocol: 'UDP', port: 53 }]);
  const outside = spec.egress.flatMap(({ to, ports }) =>
    to.flatMap(({ ipBlock }) => (ipBlock === undefined ? [] : [{ ...ipBlock, port: ports[0]?.port }])),
  );
  expect(outside.map(({ cidr, port }) => `${cidr} ${port}`).sort()).toEqual([
    '0.0.0.0/0 443',
    '192.0.2.10/32 6443',
    '203.0.113.0/24 5432',
    '::/0 443',
  ]);
  const [byName] = outside.filter(({ cidr }) => cidr === '0.0.0.0/0');
  expect(byName?.except).toEqual(
    expect.arrayContaining(['10.0.0.0/8', '169.254.0.0/16', '168.63.129.16/32']),
  );
});
