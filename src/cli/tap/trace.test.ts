import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { eventually, meshContainers } from '../../testing/index.js';
import { ClusterFixture } from '../cluster.fixture.js';
import { createPage } from '../page.js';
import { CARRIED } from './event.fixture.js';
import { trace, type Trace, type TraceOptions } from './trace.js';

const REVIEW = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';

interface Call {
  readonly pod: string;
  readonly question: Record<string, unknown>;
  readonly gone: AbortSignal;
  readonly say: (...lines: readonly object[]) => void;
}

let cluster: ClusterFixture;
let calls: Call[];

beforeEach(async () => {
  cluster = await ClusterFixture.start();
  calls = [];
  cluster.server.onPost(REVIEW, () => ({ status: 201, body: { status: { allowed: true } } }));
  cluster.namespace('shop');
  pod('web-1', 'web', '10.244.0.5');
  pod('reviews-1', 'reviews', '10.244.0.7');
  pod('reviews-2', 'reviews', '10.244.0.8');
  cluster.server.put('/api/v1/services', {
    metadata: { name: 'reviews', namespace: 'shop' },
    spec: { selector: { app: 'reviews' }, ports: [{ port: 9080 }] },
  });
  cluster.server.onExec((call) => {
    const say = (...lines: readonly object[]): void =>
      lines.forEach((line) => call.stdout(`${JSON.stringify(line)}\n`));
    calls.push({
      pod: /pods\/([^/]+)\/exec/.exec(call.path)?.[1] ?? '',
      question: JSON.parse(call.input) as Record<string, unknown>,
      gone: call.gone,
      say,
    });
    say({ tap: 'on', leftOut: 0 });
  });
});

afterEach(() => cluster.stop());

function pod(name: string, app: string, ip: string): void {
  const mesh = meshContainers();
  cluster.server.put('/api/v1/pods', {
    metadata: { name, namespace: 'shop', uid: name, labels: { app } },
    spec: { containers: [{ name: 'app' }], initContainers: [mesh.init, mesh.proxy] },
    status: { phase: 'Running', podIPs: [{ ip }], conditions: [{ type: 'Ready', status: 'True' }] },
  });
}

const run = async (over: Partial<TraceOptions> = {}): Promise<string | undefined> =>
  trace({
    client: cluster.client,
    page: createPage({ colours: false }),
    source: 'pod/web-1',
    namespace: 'shop',
    header: [],
    showHeader: [],
    timeout: '60s',
    output: 'text',
    note: () => undefined,
    ...over,
  });

const go = (stage: string, tookMs = 0): object => ({ stage, verdict: 'go', tookMs });

const CALLED = {
  ...CARRIED,
  backend: 'shop/reviews:9080{version=v1}',
  stages: [go('normalise'), go('route', 0.01), go('split')],
  attempts: [{ endpoint: '10.244.0.7:9080', result: '503', tookMs: 3.1 }, ...CARRIED.attempts],
  requestHeaders: [['x-request-id', 'a1']],
};

const received = (id: string, over: object = {}): object => ({
  ...CALLED,
  side: 'receiver',
  route: '',
  backend: '',
  durationMs: 8.2,
  stages: [go('normalise'), go('access', 0.02)],
  attempts: [{ endpoint: '10.244.0.8:8080', result: '200', tookMs: 8 }],
  requestHeaders: [['x-request-id', id]],
  ...over,
});

const of = (name: string): Call | undefined => calls.find((call) => call.pod === name);

test('the next request is shown stage by stage and attempt by attempt, with what its receivers say', async () => {
  const traced = run({ to: 'reviews', path: '/api' });
  const caller = await eventually('all are asked', () => (calls.length === 3 ? of('web-1') : undefined));
  expect(caller.question).toMatchObject({ to: 'reviews', path: '/api', side: 'caller', max: 1, seconds: 60 });
  // What receivers are asked says nothing of the path, which a route may change.
  expect(of('reviews-1')?.question).toEqual({
    side: 'receiver',
    headers: [],
    showHeaders: [],
    max: 10_000,
    rate: 1_000,
    seconds: 60,
  });
  const denied = { status: 503, verdict: 'denied', refusedBy: 'access', rule: 'shop/no', attempts: [] };
  const refused = { stage: 'access', verdict: 'refuse', rule: 'shop/no', tookMs: 0.1 };
  of('reviews-1')?.say(received('other'), received('a1', { ...denied, stages: [go('normalise'), refused] }));
  of('reviews-2')?.say(received('a1', { method: 'PUT' }), received('a1'));
  caller.say(CALLED);
  expect(await traced).toBe(`\
pod shop/web-1 -> GET http://reviews:9080/api/v1?x=1
at   2026-11-30T12:00:01.123Z
to   shop/reviews:9080, by route canary, backend shop/reviews:9080{version=v1}
as   spiffe://cluster.local/ns/shop/sa/web

Caller
STAGE       VERDICT   TIME     RULE
normalise   go        0.0 ms
route       go        0.0 ms
split       go        0.0 ms

Attempts
    ENDPOINT          RESULT   TIME
1   10.244.0.7:9080   503      3.1 ms
2   10.244.0.8:9080   200      9.0 ms

Receiver shop/reviews-1, shop/reviews:9080
STAGE       VERDICT   TIME     RULE
normalise   go        0.0 ms
access      refuse    0.1 ms   shop/no
Status 503 after 8.2 ms: denied by access [shop/no].

Receiver shop/reviews-2, shop/reviews:9080
STAGE       VERDICT   TIME     RULE
normalise   go        0.0 ms
access      go        0.0 ms
Status 200 after 8.2 ms: carried.

Status 200 after 12.4 ms and 2 attempts: carried.`);
  await eventually('all taps have ended', () => calls.every(({ gone }) => gone.aborted));
});

test.each([
  [{}, CALLED, 'to see the receiver too, name the Service that is called: --to SERVICE'],
  [{ to: 'nobody' }, CALLED, 'the receiver is not shown: there is no Service shop/nobody'],
  [{ to: 'reviews' }, { ...CALLED, requestHeaders: [] }, 'neither the header traceparent nor x-request-id'],
] as const)('where the receiver is not shown it is said why: %j', async (flags, event, note) => {
  const traced = run(flags);
  (await eventually('the caller is asked', () => of('web-1'))).say(event);
  const text = await traced;
  expect(text).toContain(note);
  expect(text).toContain('1   10.244.0.7:9080   503');
  expect(text).not.toContain('Receiver');
});

test('a receiver that has not seen the attempt is a note, and JSON has all of it', async () => {
  const traced = run({ to: 'reviews.shop:9080', output: 'json' });
  await eventually('all are asked', () => calls.length === 3);
  of('reviews-2')?.say(received('a1'));
  of('web-1')?.say(CALLED);
  expect(JSON.parse((await traced) ?? '')).toMatchObject({
    from: 'pod shop/web-1',
    caller: { attempts: [{ result: '503' }, { result: '200' }] },
    receivers: [{ pod: 'shop/reviews-2', event: { side: 'receiver' } }],
    notes: ['1 of 2 attempts: no receiver that is watched has seen it'],
  });
});

test('a receiver that told all it may before the request came is named, rather than said not to have seen it', async () => {
  const traced = run({ to: 'reviews', output: 'json' });
  await eventually('all are asked', () => calls.length === 3);
  of('reviews-1')?.say({ tap: 'ended', why: 'max', leftOut: 0 });
  of('reviews-2')?.say(received('a1'));
  of('web-1')?.say(CALLED);
  expect((JSON.parse((await traced) ?? '') as Trace).notes).toEqual([
    '1 of 2 attempts: no receiver that is watched has seen it',
    expect.stringMatching(/^shop\/reviews-1 told of 10000 requests before, .* it may have passed there/),
  ]);
});

test('a busy receiver does not displace what another has told', async () => {
  const traced = run({ to: 'reviews', output: 'json' });
  await eventually('all are asked', () => calls.length === 3);
  of('reviews-2')?.say(received('a1'));
  of('reviews-1')?.say(...Array.from({ length: 3_000 }, (_, place) => received(`other-${place}`)));
  of('reviews-1')?.say(received('a1'));
  of('web-1')?.say(CALLED);
  const { receivers } = JSON.parse((await traced) ?? '') as Trace;
  expect(receivers.map(({ pod: name }) => name).sort()).toEqual(['shop/reviews-1', 'shop/reviews-2']);
});

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const parent = (span: string, trace = TRACE): [string, string] => ['traceparent', `00-${trace}-${span}-01`];
const [APP, PROXY] = [parent('00f067aa0ba902b7'), parent('b7ad6b7169203331')];
const OTHER = parent('b7ad6b7169203331', '80f198ee56343ba864fe8b2a57d3eff7');
const ID = ['x-request-id', 'a1'];

test.each([
  ['the trace, though each side has its span', [APP], [PROXY], true],
  ['x-request-id, where only the mesh wrote traceparent', [ID], [PROXY, ID], true],
  ['x-request-id, where the application began another trace', [APP, ID], [OTHER, ID], true],
  ['the trace, where x-request-id was written again', [APP, ID], [PROXY, ['x-request-id', 'b2']], true],
  ['no other trace', [APP], [OTHER], false],
  ['nothing that only one side has', [ID], [PROXY], false],
  ['no traceparent that is none', [['traceparent', 'x']], [['traceparent', 'x']], false],
])('what joins both sides is %s', async (_, sent, arrived, joined) => {
  const traced = run({ to: 'reviews', output: 'json' });
  await eventually('all are asked', () => calls.length === 3);
  const attempts = CALLED.attempts.slice(1);
  of('reviews-2')?.say(received('', { requestHeaders: arrived }));
  of('web-1')?.say({ ...CALLED, attempts, requestHeaders: sent });
  expect((JSON.parse((await traced) ?? '') as Trace).receivers).toHaveLength(joined ? 1 : 0);
});

test('where nothing matches in time there is nothing, and every tap has ended', async () => {
  expect(await run({ to: 'reviews', timeout: '1s' })).toBeUndefined();
  expect(calls).toHaveLength(3);
  await eventually('all taps have ended', () => calls.every(({ gone }) => gone.aborted));
});
