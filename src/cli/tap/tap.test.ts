import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { eventually, meshContainers } from '../../testing/index.js';
import { ClusterFixture } from '../cluster.fixture.js';
import { createPage } from '../page.js';
import { CARRIED, identity } from './event.fixture.js';
import { tap, type TapOptions } from './tap.js';

const REVIEW = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
const ON = { tap: 'on', leftOut: 0 };

interface Call {
  readonly pod: string;
  readonly question: Record<string, unknown>;
  readonly gone: AbortSignal;
  readonly say: (...lines: readonly object[]) => void;
  readonly exit: (code: number) => void;
  readonly breakOff: () => void;
}

let cluster: ClusterFixture;
/** The taps that were opened, in their order. */
let calls: Call[];
let written: string;
let notes: string[];
let stop: AbortController;

beforeEach(async () => {
  cluster = await ClusterFixture.start();
  calls = [];
  written = '';
  notes = [];
  stop = new AbortController();
  cluster.server.onPost(REVIEW, () => ({ status: 201, body: { status: { allowed: true } } }));
  cluster.namespace('shop');
  pod('web-1', 'web');
  cluster.server.put('/apis/apps/v1/deployments', {
    metadata: { name: 'web', namespace: 'shop' },
    spec: { selector: { matchLabels: { app: 'web' } } },
  });
  cluster.server.onExec((call) => {
    expect(call.command).toEqual(['/usr/local/bin/weft-proxy', 'inspect', 'tap']);
    const say = (...lines: readonly object[]): void =>
      lines.forEach((line) => call.stdout(`${JSON.stringify(line)}\n`));
    calls.push({
      pod: /pods\/([^/]+)\/exec/.exec(call.path)?.[1] ?? '',
      question: JSON.parse(call.input) as Record<string, unknown>,
      gone: call.gone,
      say,
      exit: (code) => call.exit(code),
      breakOff: () => call.breakOff(),
    });
    say(ON);
  });
});

afterEach(async () => {
  stop.abort();
  await cluster.stop();
});

function pod(name: string, app: string, phase = 'Running'): void {
  const mesh = meshContainers();
  cluster.server.put('/api/v1/pods', {
    metadata: { name, namespace: 'shop', uid: name, labels: { app } },
    spec: { containers: [{ name: 'app' }], initContainers: [mesh.init, mesh.proxy] },
    status: { phase, podIPs: [{ ip: '10.244.0.5' }], conditions: [{ type: 'Ready', status: 'True' }] },
  });
}

const run = async (over: Partial<TapOptions> = {}): Promise<void> =>
  tap({
    client: cluster.client,
    page: createPage({ colours: false }),
    target: 'deploy/web',
    namespace: 'shop',
    header: [],
    showHeader: [],
    headers: false,
    max: 100,
    rate: 20,
    for: '10m',
    output: 'text',
    write: (text) => (written += text),
    note: (text) => void notes.push(text),
    signal: stop.signal,
    ...over,
  });

const request = (over: object = {}): object => ({
  ...CARRIED,
  receivedBytes: 57,
  requestHeaders: [
    ['authorization', '(redacted)'],
    ['x-group', 'beta'],
  ],
  responseHeaders: [['content-type', 'text/html']],
  ...over,
});

const RETRIED = request({
  attempts: [
    { endpoint: '10.244.0.7:9080', result: '503', tookMs: 3 },
    { endpoint: '10.244.0.8:9080', result: '200', tookMs: 9 },
  ],
});
const DENIED = request({
  side: 'receiver',
  authority: 'web.shop',
  path: '/admin/users',
  status: 403,
  verdict: 'denied',
  refusedBy: 'access',
  reason: 'access-denied',
  rule: 'shop/no-admin',
  durationMs: 0.21,
  route: '',
  caller: identity('batch'),
  receiver: identity('web'),
  attempts: [],
});
const BYTES = {
  time: '2026-11-30T12:00:05.530Z',
  side: 'receiver',
  kind: 'bytes',
  verdict: 'carried',
  durationMs: 3012,
  receivedBytes: 2048,
  sentBytes: 312,
  destination: 'shop/db:5432',
  caller: '',
  receiver: identity('web'),
  tls: 'none',
};

test('each request is one line, with what became of it and by whose word', async () => {
  const tapped = run();
  const call = await eventually('the proxy is asked', () => calls[0]);
  call.say(RETRIED, DENIED, BYTES);
  call.say(
    request({ status: 499, verdict: 'cancelled', attempts: [], route: '' }),
    request({
      status: 503,
      verdict: 'failed',
      reason: 'connect-failed',
      grpcStatus: 14,
      tls: 'none',
      receiver: '',
    }),
    request({ side: 'receiver', wouldRefuse: [{ stage: 'access', reason: 'denied' }], route: '' }),
    request({ authority: 'a\u001b[2J\u202eb' }),
  );
  call.say({ tap: 'ended', why: 'time', leftOut: 3 });
  call.exit(0);
  await tapped;
  expect(written).toBe(`\
12:00:01.123 web-1 -> GET reviews:9080/api/v1?x=1  200  12.4 ms  carried, route canary, to 10.244.0.8:9080 (shop/reviews), 2 attempts (10.244.0.7:9080 503)
12:00:01.123 web-1 <- GET web.shop/admin/users  403  0.2 ms  denied by access [shop/no-admin], from shop/batch
12:00:05.530 web-1 <- bytes shop/db:5432  312 B there, 2048 B back  3.01 s  carried, no mutual TLS
12:00:01.123 web-1 -> GET reviews:9080/api/v1?x=1  499  12.4 ms  cancelled, to shop/reviews
12:00:01.123 web-1 -> GET reviews:9080/api/v1?x=1  503 (grpc 14)  12.4 ms  failed (connect-failed), route canary, to 10.244.0.8:9080, no mutual TLS
12:00:01.123 web-1 <- GET reviews:9080/api/v1?x=1  200  12.4 ms  carried, access would refuse it, from shop/web
12:00:01.123 web-1 -> GET a[2Jb/api/v1?x=1  200  12.4 ms  carried, route canary, to 10.244.0.8:9080 (shop/reviews)
`);
  expect(notes).toEqual([
    'watching deploy/web; end with Ctrl-C',
    '7 requests of 1 proxy; 3 left out, as each proxy tells of 20 a second at most (--rate)',
  ]);
});

test('what is asked for goes to the proxy, in its words', async () => {
  const tapped = run({
    to: 'reviews.shop:9080',
    from: 'batch',
    path: '/api',
    method: 'get',
    status: '5XX',
    minLatency: '1m100ms',
    header: ['x-group=a=b'],
    verdict: 'failed',
    side: 'caller',
    showHeader: ['Cookie'],
    max: 7,
    rate: 5,
    for: '90s',
  });
  const { question } = await eventually('the proxy is asked', () => calls[0]);
  expect(question).toEqual({
    to: 'shop/reviews:9080',
    from: '/ns/shop/sa/batch',
    path: '/api',
    method: 'GET',
    status: '5xx',
    minLatencyMs: 60_100,
    headers: [['x-group', 'a=b']],
    verdict: 'failed',
    side: 'caller',
    showHeaders: ['Cookie'],
    max: 7,
    rate: 5,
    seconds: 90,
  });
  stop.abort();
  await tapped;
});

test.each([
  [{ minLatency: 'long' }, '--min-latency long: give a duration such as 100ms or 1m30s'],
  [{ for: '11m' }, '--for 11m: give a time from 1s to 10m'],
  [{ header: ['x-group'] }, '--header x-group: give NAME=VALUE'],
  [{ from: 'a/b/c' }, '--from a/b/c: give a service account, NAMESPACE/ACCOUNT, or a SPIFFE identity'],
] as const)('%j is refused with what to write instead', async (flags, said) => {
  await expect(run(flags)).rejects.toThrow(said);
  expect(calls).toEqual([]);
});

test('headers are shown where they are asked for, and JSON has them all', async () => {
  for (const [over, expected] of [
    [{ headers: true }, ['> authorization: (redacted)', '> x-group: beta', '< content-type: text/html']],
    [{ showHeader: ['X-Group'] }, ['> x-group: beta']],
  ] as const) {
    written = '';
    calls = [];
    const tapped = run({ ...over, max: 1 });
    (await eventually('the proxy is asked', () => calls[0])).say(request());
    await tapped;
    const lines = written.trimEnd().split('\n').slice(1);
    expect(lines.map((line) => line.trim())).toEqual(expected);
  }
  written = '';
  calls = [];
  const tapped = run({ output: 'json', max: 1 });
  (await eventually('the proxy is asked', () => calls[0])).say(request());
  await tapped;
  expect(JSON.parse(written)).toMatchObject({
    pod: 'web-1',
    path: '/api/v1?x=1',
    requestHeaders: [
      ['authorization', '(redacted)'],
      ['x-group', 'beta'],
    ],
  });
});

test('all proxies are followed, and all taps end with enough requests or with who watches', async () => {
  pod('web-2', 'web');
  pod('web-3', 'web', 'Pending');
  const enough = run({ max: 3 });
  await eventually('both are asked', () => calls.length === 2);
  calls.forEach((call) => call.say(request(), request()));
  await enough;
  expect(written.trimEnd().split('\n')).toHaveLength(3);
  await eventually('both have ended', () => calls.every(({ gone }) => gone.aborted));
  calls = [];
  const stopped = run();
  await eventually('both are asked again', () => calls.length === 2);
  stop.abort();
  await stopped;
  await eventually('both have ended again', () => calls.every(({ gone }) => gone.aborted));
});

test('a proxy that goes is a note while others tell, and an error where nobody can be asked', async () => {
  pod('web-2', 'web');
  const tapped = run({ max: 1 });
  await eventually('both are asked', () => calls.length === 2);
  const [first, second] = calls;
  first?.breakOff();
  second?.say(request());
  await tapped;
  expect(written).toContain('GET reviews:9080');
  cluster.server.onExec((call) => {
    call.stdout('4 taps are on in this proxy already; try again when one of them has ended\n');
    call.exit(1);
  });
  await expect(run()).rejects.toThrow(/the proxy of shop\/web-\d says: 4 taps are on in this proxy already/);
  cluster.server.onExec((call) => {
    call.stderr('weft-proxy: `tap` cannot be inspected: expected explain\n');
    call.exit(2);
  });
  await expect(run()).rejects.toThrow('is of an earlier version and cannot be asked; recreate the pod');
  cluster.server.onPost(REVIEW, () => ({ status: 201, body: { status: { allowed: false } } }));
  await expect(run()).rejects.toThrow('you may not ask proxies in namespace shop');
});
