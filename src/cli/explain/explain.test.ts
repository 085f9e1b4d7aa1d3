import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { meshContainers } from '../../testing/index.js';
import { ClusterFixture } from '../cluster.fixture.js';
import { createPage } from '../page.js';
import { explain, type ExplainOptions, type Report } from './explain.js';

const page = createPage({ colours: false });
const REVIEW = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
const WEB = 'spiffe://cluster.local/ns/shop/sa/web';
const REVIEWS = 'spiffe://cluster.local/ns/shop/sa/reviews';
let cluster: ClusterFixture;
/** What proxies were asked, by pod. */
let asked: { pod: string; question: Record<string, unknown> }[];

beforeEach(async () => {
  cluster = await ClusterFixture.start();
  asked = [];
  cluster.server.onPost(REVIEW, () => ({ status: 201, body: { status: { allowed: true } } }));
  cluster.namespace('shop');
  pod('web-1', 'web', '10.244.0.5');
  pod('reviews-1', 'reviews', '10.244.0.7');
  cluster.server.put('/apis/apps/v1/deployments', {
    metadata: { name: 'web', namespace: 'shop' },
    spec: { selector: { matchLabels: { app: 'web' } } },
  });
  cluster.server.put('/api/v1/services', {
    metadata: { name: 'reviews', namespace: 'shop' },
    spec: {
      clusterIP: '10.96.0.5',
      clusterIPs: ['10.96.0.5'],
      ports: [{ name: 'http', port: 9080, targetPort: 9080, protocol: 'TCP' }],
    },
  });
  cluster.server.onExec((call) => {
    const name = /pods\/([^/]+)\/exec/.exec(call.path)?.[1] ?? '';
    const question = JSON.parse(call.input) as Record<string, unknown>;
    asked.push({ pod: name, question });
    call.stdout(`${JSON.stringify(name === 'web-1' ? [CALLER, SECOND, null] : [RECEIVER])}\n`);
    call.exit(0);
  });
});

afterEach(() => cluster.stop());

function pod(name: string, app: string, ip: string, proxy = true): void {
  const mesh = meshContainers();
  cluster.server.put('/api/v1/pods', {
    metadata: { name, namespace: 'shop', labels: { app }, annotations: { 'weft.dev/injection': 'injected' } },
    spec: { containers: [{ name: 'app' }], initContainers: proxy ? [mesh.init, mesh.proxy] : [] },
    status: { phase: 'Running', podIPs: [{ ip }], conditions: [{ type: 'Ready', status: 'True' }] },
  });
}

const endpoint = (address: string, over: object = {}): object => ({
  address,
  identity: REVIEWS,
  tls: 'mutual',
  zone: 'zone-a',
  weight: 100,
  pending: 0,
  latencyMs: 1.25,
  ejected: false,
  ...over,
});

const CALLER = {
  side: 'caller',
  verdict: 'sent',
  why: 'shop/reviews:9080{version=v1}',
  caller: { pod: 'default/default/shop/web-1', identity: WEB, zone: 'zone-a', node: 'node-a' },
  destination: {
    state: 'known',
    address: '10.96.0.5:9080',
    name: 'shop/reviews:9080',
    protocol: 'http/1.1',
    algorithm: 'peakEwma',
  },
  request: { method: 'GET', authority: 'reviews:9080', path: '/api/v1?x=1' },
  routes: [
    {
      name: 'testers',
      verdict: 'not-matched',
      differs: [
        { part: 'header', name: 'x-group', wanted: 'exactly beta', found: null },
        { part: 'query', name: 'lane', wanted: 'exactly blue', found: 'red' },
      ],
    },
    { name: 'canary', verdict: 'taken', matched: 'path below /api' },
    { name: 'rest', verdict: 'not-reached' },
  ],
  route: 'canary',
  stages: [
    { stage: 'normalise', verdict: 'go', why: 'it can be read in one way only' },
    { stage: 'route', verdict: 'go', why: 'canary: path below /api', rule: 'canary' },
    { stage: 'split', verdict: 'go', why: 'one of 2 backends, by weight' },
    { stage: 'fault', verdict: 'depends', why: 'on purpose: 1 % are answered 503' },
    {
      stage: 'attempts',
      verdict: 'go',
      why: 'sent, and up to 2 times more where it fails and its budget allows',
    },
  ],
  split: [
    {
      backend: 'shop/reviews:9080{version=v1}',
      weight: 99,
      percent: 99,
      refusal: null,
      endpointCount: 12,
      endpoints: [endpoint('10.244.0.7:9080'), endpoint('10.244.0.8:9080', { unreachable: true })],
    },
    {
      backend: 'shop/reviews:9080{version=v2}',
      weight: 1,
      percent: 1,
      refusal: 'shop/reviews:9080{version=v2} has no ready endpoint',
      endpointCount: 0,
      endpoints: [],
    },
  ],
  policies: {
    timeouts: { request: '2s', perTry: '500ms', connect: null, idle: null },
    retries: { attempts: 2, on: ['connect-failure', '5xx'], statuses: [], budgetLeft: 10 },
    hedging: null,
    mirrors: [{ backend: 'shop/next:9080', percent: 5 }],
    session: false,
  },
  changes: { headers: { 'x-set': 'new', 'x-gone': null, authorization: '(redacted)' }, path: '/v2?x=1' },
};

/** Another worker has seen other things of the endpoints. */
const SECOND = {
  ...CALLER,
  split: [
    {
      ...CALLER.split[0],
      endpoints: [
        endpoint('10.244.0.7:9080', {
          ejected: true,
          ejection: { reason: 'success-rate', secondsLeft: 9 },
          latencyMs: 412,
        }),
      ],
    },
  ],
};

const RECEIVER = {
  side: 'receiver',
  verdict: 'refused',
  why: 'the access rules of the called workload do not allow this request',
  reason: 'access-denied',
  receiver: {
    pod: 'default/default/shop/reviews-1',
    name: 'shop/reviews:9080',
    port: 9080,
    mtlsMode: 'Strict',
  },
  caller: { identity: WEB, address: '10.244.0.5' },
  stages: [
    { stage: 'mutual-tls', verdict: 'go', why: `the caller proves that it is ${WEB}` },
    {
      stage: 'access',
      verdict: 'refuse',
      why: 'the access rules of the called workload do not allow this request',
      rule: 'shop/no-admin',
    },
  ],
};

const options = (over: Partial<ExplainOptions> = {}): ExplainOptions => ({
  client: cluster.client,
  page,
  from: 'deploy/web',
  namespace: 'shop',
  words: ['http://reviews:9080/api/v1?x=1'],
  header: [],
  receiver: false,
  output: 'text',
  ...over,
});

const GOLDEN = `pod shop/web-1 -> GET http://reviews:9080/api/v1?x=1
to   shop/reviews:9080 (http/1.1, peakEwma), dialled at 10.96.0.5:9080
as   spiffe://cluster.local/ns/shop/sa/web

Routes
      ROUTE     WHY
no    testers   header x-group is absent, not exactly beta; or query lane is red, not
                exactly blue
yes   canary    path below /api
-     rest      not reached: an earlier route takes it

Caller
STAGE       VERDICT   WHY
normalise   go        it can be read in one way only
route       go        canary: path below /api
split       go        one of 2 backends, by weight
fault       depends   on purpose: 1 % are answered 503
attempts    go        sent, and up to 2 times more where it fails and its budget allows

Backends
 99 %  shop/reviews:9080{version=v1}
  ENDPOINT          POD              STATE                                      LATENCY    OPEN   ZONE     TLS
  10.244.0.7:9080   shop/reviews-1   ejected by 1 of 2 workers (success-rate)   412.0 ms   0      zone-a   mutual
  10.244.0.8:9080   -                unreachable                                1.3 ms     0      zone-a   mutual
  and 10 endpoints more
  1 %  shop/reviews:9080{version=v2}
  shop/reviews:9080{version=v2} has no ready endpoint

Route
WHAT       VALUE
set by     TrafficPolicy shop/reviews
timeouts   request 2s, perTry 500ms
retries    2, on connect-failure, 5xx; 10 left in the budget
mirror     5 % to shop/next:9080
path       /v2?x=1
header     x-set: new
header     x-gone is removed
header     authorization: (redacted)

It is sent to shop/reviews:9080{version=v1}.`;

test('a request is explained stage by stage, in words that fit a terminal', async () => {
  cluster.policy('reviews', [], {
    spec: {
      targetRefs: [{ kind: 'Service', name: 'reviews' }],
      routes: [{ name: 'testers' }, { name: 'canary' }],
    },
  });
  const { ok, text } = await explain(options({ header: ['X-Group: alpha'] }));
  expect(ok).toBe(true);
  expect(text).toBe(GOLDEN);
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(120);
  expect(asked).toEqual([
    {
      pod: 'web-1',
      question: {
        to: '10.96.0.5:9080',
        method: 'GET',
        target: '/api/v1?x=1',
        authority: 'reviews:9080',
        headers: [['x-group', 'alpha']],
      },
    },
  ]);
});

test('a receiver is asked about what arrives there, and names the rule that refuses it', async () => {
  const { ok, text } = await explain(
    options({
      receiver: true,
      jwt: 'a.b.c',
      words: ['POST', 'http://reviews.shop.svc.cluster.local:9080/a'],
    }),
  );
  expect(ok).toBe(false);
  expect(text).toContain(`Receiver shop/reviews-1, shop/reviews:9080, mutual TLS Strict
STAGE        VERDICT   WHY
mutual-tls   go        the caller proves that it is spiffe://cluster.local/ns/shop/sa/web
access       refuse    the access rules of the called workload do not allow this request
                       [shop/no-admin]`);
  expect(text).toMatch(/It is refused by the receiver: the access rules .* do not allow this request\.$/);
  expect(asked[1]).toEqual({
    pod: 'reviews-1',
    question: {
      to: '10.244.0.7:9080',
      method: 'POST',
      target: '/v2?x=1',
      authority: 'reviews.shop.svc.cluster.local:9080',
      headers: [
        ['authorization', 'Bearer a.b.c'],
        ['x-set', 'new'],
      ],
      receiver: { identity: WEB, from: '10.244.0.5' },
    },
  });
  expect(JSON.stringify(cluster.server.requests.map(({ query }) => String(query)))).not.toContain('a.b.c');
});

test('as JSON it is for programs', async () => {
  const { text } = await explain(options({ receiver: true, output: 'json' }));
  const report = JSON.parse(text) as Report;
  expect(report).toMatchObject({
    from: 'pod shop/web-1',
    dialled: { address: '10.96.0.5:9080' },
    workers: 2,
    caller: {
      verdict: 'sent',
      route: 'canary',
      split: [{ endpoints: [{ ejectedBy: 1, pod: 'shop/reviews-1' }, {}] }, {}],
    },
    receiver: { pod: 'shop/reviews-1', answer: { verdict: 'refused', reason: 'access-denied' } },
  });
});

test('who lacks a right is told in one line which one, before anything is run', async () => {
  cluster.server.onPost(REVIEW, (body) => {
    const { verb } = (body as { spec: { resourceAttributes: { verb: string } } }).spec.resourceAttributes;
    return { status: 201, body: { status: { allowed: verb === 'get' } } };
  });
  await expect(explain(options())).rejects.toThrow(
    'you may not ask proxies in namespace shop: create on pods/exec is missing; the Role weft-inspect in docs/explain.md has what it takes',
  );
  expect(asked).toEqual([]);
});

test('what cannot be asked is said in words', async () => {
  pod('bare', 'bare', '10.244.0.9', false);
  for (const [over, message] of [
    [{ words: ['http://reviws:9080/'] }, 'there is no Service shop/reviws; did you mean reviews.shop?'],
    [
      { words: ['http://www.example.com/'] },
      'www.example.com is not the name of a Service; the mesh goes by the address',
    ],
    [
      { words: ['http://reviews/'] },
      'Service shop/reviews does not declare port 80, so nobody listens there; it has: 9080 (http)',
    ],
    [{ words: ['https://reviews:9080/'] }, 'ask with http:// for what it can see'],
    [{ words: ['reviews:9080'] }, 'a request is a method and a URL'],
    [{ words: ['GET', 'http://reviews:9080/', 'more'] }, 'a request is a method and a URL'],
    [{ header: ['x group'] }, 'x group is not a header'],
    [{ from: 'bare' }, 'pod shop/bare has no proxy'],
    [{ from: 'pod/web-2' }, 'there is no pod shop/web-2; did you mean web-1?'],
    [{ from: 'deploy/none' }, 'there is no deploy/none in namespace shop'],
    [{ from: 'svc/web' }, 'svc/web does not say which pods are meant'],
  ] as const)
    await expect(explain(options(over))).rejects.toThrow(message);
});

test('what a proxy objects to is told in its words', async () => {
  cluster.server.onExec((call) => {
    call.stdout('the value of x-group has a line break in it\n');
    call.exit(1);
  });
  await expect(explain(options())).rejects.toThrow(
    'the proxy of shop/web-1 says: the value of x-group has a line break in it',
  );
});

test('a proxy of an earlier version says that it does not know the question', async () => {
  cluster.server.onExec((call) => {
    call.stderr('weft-proxy: `inspect` is no command: expected run, init, ready, drain, show or loglevel\n');
    call.exit(2);
  });
  await expect(explain(options())).rejects.toThrow(
    'the proxy of shop/web-1 is of an earlier version and cannot be asked; recreate the pod',
  );
});
