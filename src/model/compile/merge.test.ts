import { expect, test } from '@jest/globals';
import { aRoute } from '../../testing/gateway-routes.js';
import type { PathMatch, RouteMatch } from '../words/policy.js';
import { mergeRoutes } from './merge.js';

const to = (name: string) => ({ backendRefs: [{ name, port: 80 }] });
const on = (match: object, name: string) => ({ name, matches: [match], ...to(name) });
const path = (value: string, type = 'PathPrefix') => ({ path: { type, value } });

test('the more specific match comes first, wherever it was written', () => {
  const header = (name: string) => ({ name, value: 'x' });
  const routes = [
    aRoute('a', [
      on({}, 'all'),
      on(path('/api'), 'prefix'),
      on({ ...path('/api'), headers: [header('a')] }, 'one-header'),
      on({ ...path('/api'), headers: [header('a'), header('b')] }, 'two-headers'),
      on({ ...path('/api'), queryParams: [header('q')] }, 'query'),
    ]),
    aRoute('b', [
      on({ ...path('/api'), method: 'GET' }, 'method'),
      on(path('/api/long'), 'longer'),
      on(path('/', 'Exact'), 'exact'),
      on(path('/a.*', 'RegularExpression'), 'regex'),
    ]),
  ];
  expect(mergeRoutes(routes).map(({ name }) => name)).toEqual([
    'b/exact',
    'b/regex',
    'b/longer',
    'b/method',
    'a/two-headers',
    'a/one-header',
    'a/query',
    'a/prefix',
    'a/all',
  ]);
});

test('a slash at the end of a prefix makes it no longer, and the root is as good as no path', () => {
  const routes = [
    aRoute('a', [on(path('/api'), 'one'), on(path('/api/'), 'two'), on({}, 'three'), on(path('/'), 'four')]),
  ];
  expect(mergeRoutes(routes).map(({ name }) => name)).toEqual(['a/one', 'a/two', 'a/three', 'a/four']);
});

test('of equals the oldest route, then the first by name, then the first rule', () => {
  const routes = [
    aRoute('c', [on({}, '1'), on({}, '2')]),
    aRoute('b', [on({}, '1')]),
    aRoute('z', [on({}, '1')], { createdAt: '2025-01-01T00:00:00Z' }),
  ];
  expect(mergeRoutes(routes).map(({ name }) => name)).toEqual(['z/1', 'b/1', 'c/1', 'c/2']);
});

test('the matches of a rule stand together as long as nothing comes between them', () => {
  const routes = [
    aRoute('a', [
      { name: 'both', matches: [path('/b'), path('/long')], ...to('x') },
      { name: 'mid', matches: [path('/mid')], ...to('y') },
    ]),
  ];
  const merged = mergeRoutes(routes).map(({ name, matches }) => [
    name,
    matches.map((match) => match.path?.value),
  ]);
  expect(merged).toEqual([
    ['a/both', ['/long']],
    ['a/mid', ['/mid']],
    ['a/both', ['/b']],
  ]);
  const apart = mergeRoutes([aRoute('a', [{ matches: [path('/b'), path('/c')], ...to('x') }])]);
  expect(apart.map(({ matches }) => matches.length)).toEqual([2]);
});

test('for gRPC the longest service, then the longest method, then most headers', () => {
  const method = (service: string, name?: string) => ({ method: { service, method: name } });
  const routes = [
    aRoute(
      'a',
      [
        on({}, 'all'),
        on(method('shop.Reviews'), 'service'),
        on(method('shop.Reviews', 'Get'), 'short'),
        on(method('shop.Reviews', 'GetAll'), 'long'),
        on({ ...method('shop.Reviews', 'Get'), headers: [{ name: 'h', value: 'x' }] }, 'header'),
        on({ method: { type: 'RegularExpression', service: 'shop[.]Reviews.*', method: '.*' } }, 'regex'),
      ],
      { kind: 'GRPCRoute' },
    ),
  ];
  expect(mergeRoutes(routes).map(({ name }) => name)).toEqual([
    'a/long',
    'a/header',
    'a/short',
    'a/service',
    'a/regex',
    'a/all',
  ]);
});

test('first match of the merged list is the best match by the words of the API, for random routes', () => {
  const random = seeded(7);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  const paths = ['/', '/a', '/a/b', '/a/b/c', '/b'];
  const someMatch = () => ({
    ...(random() < 0.7 ? path(pick(paths), pick(['Exact', 'PathPrefix'])) : {}),
    ...(random() < 0.3 ? { method: pick(['GET', 'POST']) } : {}),
    headers: ['x', 'y'].filter(() => random() < 0.3).map((name) => ({ name, value: '1' })),
  });
  for (let round = 0; round < 300; round += 1) {
    const routes = ['a', 'b'].map((name) =>
      aRoute(
        name,
        Array.from({ length: 3 }, () => ({ matches: [someMatch(), someMatch()], ...to('x') })),
        { createdAt: pick(['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z']) },
      ),
    );
    const asked = {
      path: pick(paths),
      method: pick(['GET', 'POST']),
      headers: ['x', 'y'].filter(() => random() < 0.5),
    };
    const first = mergeRoutes(routes).find(({ matches }) =>
      matches.some((match) => holds(match, asked)),
    )?.name;
    const holding = routes.flatMap(({ ref, rules }) =>
      rules.flatMap(({ route, index, matches }) =>
        matches.flatMap(({ match }) =>
          holds(match, asked) ? [{ ref, index, match, name: route.name }] : [],
        ),
      ),
    );
    const best = holding.sort(
      (a, b) =>
        Number(b.match.path?.kind === 'exact') - Number(a.match.path?.kind === 'exact') ||
        segments(b.match.path) - segments(a.match.path) ||
        Number(b.match.method !== undefined) - Number(a.match.method !== undefined) ||
        b.match.headers.length - a.match.headers.length ||
        a.ref.creationTimestamp.localeCompare(b.ref.creationTimestamp) ||
        a.ref.name.localeCompare(b.ref.name) ||
        a.index - b.index,
    )[0];
    expect(first).toBe(best?.name);
  }
});

function segments(given: PathMatch | undefined): number {
  return given === undefined ? 0 : given.value.replace(/\/$/, '').length;
}

function holds(
  match: RouteMatch,
  asked: { readonly path: string; readonly method: string; readonly headers: readonly string[] },
): boolean {
  const { path: wanted } = match;
  const prefix = wanted?.value.replace(/\/$/, '') ?? '';
  const pathHolds =
    wanted?.kind === 'exact'
      ? asked.path === wanted.value
      : asked.path === prefix || asked.path.startsWith(`${prefix}/`);
  return (
    pathHolds &&
    (match.method === undefined || match.method === asked.method) &&
    match.headers.every(({ name }) => asked.headers.includes(name))
  );
}

/** Mulberry32: the same numbers each time, so that a failure can be repeated. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
