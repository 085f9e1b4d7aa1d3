import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { afterEach, expect, jest, test } from '@jest/globals';
import { Command } from 'commander';
import { portOf } from '../../base/index.js';
import { connectPlain, type KubeClient } from '../../kube/index.js';
import {
  COUNTS,
  Counted,
  LATENCIES,
  Replicas,
  byBackend,
  byCall,
  byNamespace,
  byRoute,
  byService,
  byWorkload,
  type SeenEdge,
  type TrafficEdge,
  type TrafficView,
} from '../../telemetry/index.js';
import { createPage } from '../page.js';
import { addTrafficCommands } from './commands.js';
import { show } from './show.js';
import { callsTable, routesTable, rowsTable } from './tables.js';

const page = createPage({ colours: false });
const idOf = (name: string): string => `spiffe://cluster.local/ns/shop/sa/${name}`;

interface Said extends Partial<Omit<TrafficEdge, 'counts' | 'latencies' | 'reporter'>> {
  readonly by: string;
  readonly counts?: Partial<Record<keyof typeof Counted, number>>;
  /** Number of the bucket that all are in, and how many. */
  readonly took?: readonly [cell: number, count: number];
}

function edge({ by, counts, took, ...rest }: Said): TrafficEdge {
  const row = new Array<number>(COUNTS).fill(0);
  for (const [name, count] of Object.entries(counts ?? {}))
    row[Counted[name as keyof typeof Counted]] = count;
  const cells = new Array<number>(LATENCIES).fill(0);
  if (took !== undefined) cells[took[0]] = took[1];
  return {
    reporter: { namespace: 'shop', kind: 'Deployment', name: by, identity: idOf(by) },
    direction: 'outbound',
    service: 'shop/reviews',
    port: '9080',
    backend: '',
    route: '',
    peer: '',
    tls: '',
    rule: '',
    ...(counts === undefined ? {} : { counts: row }),
    ...(took === undefined ? {} : { latencies: cells }),
    open: 0,
    ...rest,
  };
}

/** `web` calls reviews by a canary, `cron` has no proxy, and `mallory` is refused. */
const EDGES: readonly TrafficEdge[] = [
  edge({
    by: 'web',
    route: 'canary',
    backend: 'shop/reviews:9080',
    peer: idOf('reviews'),
    tls: 'mutual',
    counts: { ok: 90, serverError: 8, left: 2 },
  }),
  edge({ by: 'web', route: 'canary', backend: 'shop/reviews:9080', took: [6, 100] }),
  edge({ by: 'web', route: 'canary', counts: { retry: 4 } }),
  edge({
    by: 'reviews',
    direction: 'inbound',
    peer: idOf('web'),
    tls: 'mutual',
    counts: { ok: 94, serverError: 8 },
  }),
  edge({ by: 'reviews', direction: 'inbound', tls: 'none', counts: { ok: 10 } }),
  edge({
    by: 'reviews',
    direction: 'inbound',
    peer: idOf('mallory'),
    rule: 'shop/readers',
    counts: { denied: 5, wouldDeny: 1 },
  }),
  edge({ by: 'reviews', direction: 'inbound', took: [0, 112] }),
  edge({
    by: 'web',
    service: 'shop/db',
    port: '5432',
    peer: idOf('db'),
    tls: 'mutual',
    counts: { connection: 3 },
    open: 2,
  }),
];

const seen = (edges: readonly TrafficEdge[], seconds = 10): SeenEdge[] =>
  edges.map((one) => ({ ...one, seconds }));

test('workloads and namespaces show what their own proxies answered', () => {
  const expected = {
    perSecond: 11.2,
    successRate: 1 - 8 / 112,
    denied: 5,
    wouldBeDenied: 1,
    mutualTls: 102 / 112,
  };
  const [row, ...others] = byWorkload(seen(EDGES));
  expect(others).toEqual([]);
  expect(row).toMatchObject({ namespace: 'shop', name: 'deployment/reviews' });
  expect(row?.signals.perSecond).toBeCloseTo(expected.perSecond);
  expect(row?.signals.successRate).toBeCloseTo(expected.successRate);
  expect(row?.signals.mutualTls).toBeCloseTo(expected.mutualTls);
  expect(row?.signals).toMatchObject({ denied: 5, wouldBeDenied: 1, p50Ms: 0.25 });
  expect(byNamespace(seen(EDGES))).toMatchObject([{ name: 'shop', signals: { denied: 5 } }]);
});

test('a call counts once, as its caller saw it, and the receiver adds whom it refused', () => {
  const calls = byCall(seen(EDGES));
  expect(calls.map(({ caller, callee, seenBy }) => [caller, callee, seenBy])).toEqual([
    [idOf('web'), 'shop/db', 'caller'],
    ['', 'shop/reviews', 'receiver'],
    [idOf('mallory'), 'shop/reviews', 'receiver'],
    [idOf('web'), 'shop/reviews', 'caller'],
  ]);
  const [db, stranger, refused, web] = calls;
  expect(db).toMatchObject({ tls: ['mutual'], signals: { openConnections: 2, connectionsPerSecond: 0.3 } });
  expect(stranger).toMatchObject({ tls: ['none'], signals: { perSecond: 1, successRate: 1, p99Ms: 0.495 } });
  expect(refused).toMatchObject({ rules: ['shop/readers'], signals: { perSecond: 0, denied: 5 } });
  expect(web?.signals).toMatchObject({ perSecond: 10, retries: 4, mutualTls: 1 });
  expect(web?.signals.successRate).toBeCloseTo(1 - 8 / 98);
});

test('a Service adds the calls up, each request once', () => {
  const [db, reviews] = byService(seen(EDGES));
  expect(db).toMatchObject({ name: 'db', signals: { openConnections: 2 } });
  expect(reviews).toMatchObject({ name: 'reviews', signals: { perSecond: 11, denied: 5, retries: 4 } });
  expect(reviews?.signals.p50Ms).toBeCloseTo(35);
});

test('routes of a Service, and nobody else’s', () => {
  expect(byRoute(seen(EDGES), 'shop/reviews')).toMatchObject([
    { name: 'canary', backends: ['shop/reviews:9080'], signals: { perSecond: 10, retries: 4 } },
  ]);
  expect(byRoute(seen(EDGES), 'shop/nobody')).toEqual([]);
  const to = (version: string, counts: object): TrafficEdge =>
    edge({
      by: 'web',
      route: 'canary',
      backend: `shop/reviews:9080{version=${version}}`,
      tls: 'mutual',
      counts,
    });
  const split = seen([to('v2', { serverError: 10 }), to('v1', { ok: 90 })]);
  expect(byBackend(split, 'shop/reviews')).toMatchObject([
    { name: 'canary', backends: ['shop/reviews:9080{version=v1}'], signals: { successRate: 1 } },
    { name: 'canary', backends: ['shop/reviews:9080{version=v2}'], signals: { successRate: 0 } },
  ]);
  expect(byRoute(split, 'shop/reviews')).toMatchObject([{ signals: { successRate: 0.9, perSecond: 10 } }]);
  expect(byCall(split)).toMatchObject([{ callee: 'shop/reviews', signals: { perSecond: 10 } }]);
});

test('tables for people: what failed never looks whole, and nothing is said where nothing is known', () => {
  const options = { page, wide: false };
  expect(callsTable(byCall(seen(EDGES)), options)).toMatch(
    /FROM +TO +TLS +SUCCESS +RPS +P50 +P95 +P99 +MTLS +DENIED +WOULD DENY +RETRIES\nshop\/web +shop\/db +mutual +- +0 +- +- +- +- +0 +0 +0\n\(no identity\) +shop\/reviews +plain +100\.00% +1\.0/,
  );
  const almost = [
    edge({ by: 'web', direction: 'inbound', tls: 'mutual', counts: { ok: 99_999, serverError: 1 } }),
  ];
  expect(rowsTable(byWorkload(seen(almost)), options)).toContain('99.99%');
  expect(routesTable(byRoute(seen(EDGES), 'shop/reviews'), options)).toMatch(
    /canary +shop\/reviews:9080 +91\.83% +10\.0/,
  );
  expect(callsTable(byCall(seen(EDGES)), { page, wide: true })).toMatch(
    /SEEN BY +RULES\n[^]*receiver +shop\/readers/,
  );
});

// --- the replicas, behind an API server ---

let server: Server | undefined;
afterEach(() => {
  server?.close();
});

type Answer = { readonly status: number; readonly body: unknown };

/** An API server with two replicas, and what it was asked for. */
async function apiServer(answers: Readonly<Record<string, Answer>>) {
  const asked: { readonly method: string; readonly url: string; readonly token: string }[] = [];
  const pods = Object.keys(answers).filter((name) => name.startsWith('weft-default-'));
  const list = {
    items: pods.map((name) => ({
      metadata: { name, namespace: 'weft-system', labels: { 'weft.dev/rev': 'default' } },
      status: { phase: 'Running' },
    })),
    metadata: {},
  };
  server = createServer((request, response) => {
    const url = request.url ?? '';
    const token = String(request.headers['x-weft-view-token'] ?? '');
    asked.push({ method: request.method ?? '', url, token });
    const pod = /\/pods\/https:([^:]+):15114\/proxy\/traffic/.exec(url)?.[1];
    const answer =
      pod === undefined
        ? url.endsWith('/serviceaccounts/weft-default-view/token')
          ? (answers['token'] ?? { status: 201, body: { status: { token: 'secret' } } })
          : { status: 200, body: list }
        : (answers[pod] ?? { status: 404, body: {} });
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connectPlain(`http://127.0.0.1:${portOf(server)}`);
  return { asked, client, replicas: new Replicas(client, 'weft-system') };
}

const view = (edges: readonly TrafficEdge[], of: Partial<TrafficView> = {}): Answer => ({
  status: 200,
  body: { coversMs: 60_000, proxies: 3, edges, ...of },
});

test('replicas add up, each by the time that it knows; one token serves for all', async () => {
  const { asked, replicas } = await apiServer({
    'weft-default-a': view(EDGES),
    'weft-default-b': view(EDGES, { coversMs: 6_000, proxies: 4 }),
  });
  const traffic = await replicas.ask('1m', 'shop');
  await replicas.ask('1m', 'shop');
  expect(traffic.proxies).toBe(7);
  const [row] = byWorkload(traffic.edges);
  expect(row?.signals.perSecond).toBeCloseTo(112 / 60 + 112 / 6);
  expect(traffic.notes).toEqual(['weft-default-b knows only the last 6 s: it has not run for longer']);
  expect(asked.filter(({ method }) => method === 'POST')).toHaveLength(1);
  const views = asked.filter(({ url }) => url.includes('/traffic'));
  expect(
    views.every(({ url, token }) => token === 'secret' && url.endsWith('?since=1m&namespace=shop')),
  ).toBe(true);
});

test('a replica that does not answer is named; if none does, the command fails and says what right is missing', async () => {
  const down = { status: 503, body: { message: 'the pod is gone' } };
  const half = await apiServer({ 'weft-default-a': view(EDGES), 'weft-default-b': down });
  const { notes, edges } = await half.replicas.ask('1m', undefined);
  expect(edges).toHaveLength(EDGES.length);
  expect(notes).toEqual([expect.stringMatching(/^weft-default-b did not answer, .*the pod is gone/)]);
  server?.close();
  const token = { status: 403, body: { message: 'you may not' } };
  const { replicas } = await apiServer({ 'weft-default-a': view([]), token });
  await expect(replicas.ask('1m', undefined)).rejects.toThrow(/serviceaccounts\/token/);
});

test('what is shown again replaces what was shown at a terminal, and texts of strangers move no cursor', async () => {
  const stop = new AbortController();
  const written: string[] = [];
  const bad = edge({ by: '\u001b[2Jweb', direction: 'inbound', tls: 'mutual', counts: { ok: 1 } });
  await show({
    replicas: { ask: () => Promise.resolve({ edges: seen([bad]), proxies: 1, notes: ['less'] }) },
    since: '1m',
    output: 'text',
    watch: true,
    page,
    shown: ({ edges }) => {
      const rows = byWorkload(edges);
      return { json: rows, rows: rows.length, table: (options) => rowsTable(rows, options) };
    },
    write: (text) => {
      written.push(text);
      if (written.length === 2) stop.abort();
    },
    isTerminal: true,
    signal: stop.signal,
  });
  expect(written).toHaveLength(2);
  expect(written[0]?.startsWith('\u001b[H\u001b[2J')).toBe(true);
  expect(written[0]).toContain('note: less');
});

/** Runs a command of traffic as its words say. */
async function typed(client: KubeClient, ...words: readonly string[]): Promise<void> {
  const weft = new Command().exitOverride();
  addTrafficCommands(weft, () => client);
  for (const command of weft.commands) command.exitOverride().configureOutput({ writeErr: () => undefined });
  const write = jest.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    await weft.parseAsync(['node', 'weft', ...words]);
  } finally {
    write.mockRestore();
  }
}

test('-A is as without -n, and the name of a Service says which namespace is asked about', async () => {
  const { asked, client } = await apiServer({ 'weft-default-a': view(EDGES) });
  await typed(client, 'routes', 'reviews');
  await typed(client, 'routes', 'shop/reviews');
  await typed(client, 'edges', '-A');
  const views = asked.filter(({ url }) => url.includes('/traffic'));
  expect(views.map(({ url }) => url.replace(/^.*\?/, ''))).toEqual([
    'since=1m&namespace=default',
    'since=1m&namespace=shop',
    'since=1m',
  ]);
  await expect(typed(client, 'edges', '-n', 'shop', '-A')).rejects.toThrow(
    '-n and -A are mutually exclusive',
  );
});

test('options that a command would not heed are unknown to it', async () => {
  const { client } = await apiServer({ 'weft-default-a': view(EDGES) });
  await expect(typed(client, 'routes', 'reviews', '-A')).rejects.toThrow(/unknown option '-A'/);
  await expect(typed(client, 'top', '-w')).rejects.toThrow(/unknown option '-w'/);
});

test('a count that is not a number is refused', async () => {
  const { asked, client } = await apiServer({ 'weft-default-a': view(EDGES) });
  await expect(typed(client, 'top', '--max', 'abc')).rejects.toThrow(/give a number from 0 to 9999/);
  expect(asked).toEqual([]);
});
