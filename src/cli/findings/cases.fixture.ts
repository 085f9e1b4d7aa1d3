import type { Code } from './catalogue.js';
import { ACCESS_CASES } from './cases-access.fixture.js';
import {
  type Written,
  meta,
  ours,
  tp,
  routes,
  namespace,
  service,
  ports,
  deployment,
  slice,
  route,
  to,
  role,
  binding,
  issuer,
  byToken,
  grant,
  stock,
  toStock,
  backendTls,
  limit,
  check,
  SHOP,
  OPAQUE,
  condition,
  many,
} from './written.fixture.js';

/** An input in which something is found, and its twin in which it is not. */
export interface Case {
  readonly code: Code;
  readonly bad: readonly Written[];
  readonly good: readonly Written[];
  /** Objects of both. */
  readonly beside?: readonly Written[];
  /** `files`: part of what there is; `complete`: all there is, in files; `live`: a cluster. */
  readonly as?: 'files' | 'complete' | 'live';
  readonly revisions?: readonly string[];
  readonly installed?: { readonly mtls?: 'strict'; readonly mtlsMinimum?: 'strict' };
}

const TRAFFIC_CASES: readonly Case[] = [
  { code: 'WEFT101', bad: [ours('TraficPolicy', 'a', {})], good: [tp({})] },
  { code: 'WEFT102', bad: [tp({ rutes: [] })], good: [tp({ routes: [] })] },
  {
    code: 'WEFT103',
    bad: [routes({ timeouts: { request: 'soon' } })],
    good: [routes({ timeouts: { request: '1s' } })],
  },
  { code: 'WEFT104', bad: [tp({ targetRefs: [{ kind: 'ExternalService', name: 'a' }] })], good: [tp({})] },
  {
    code: 'WEFT105',
    bad: [routes({ retries: { on: ['5xx'] } })],
    good: [routes({ retries: { conditions: ['5xx'] } })],
  },
  {
    code: 'WEFT106',
    bad: [deployment({ annotations: { 'weft.dev/opaque-port': '80' } })],
    good: [deployment({ annotations: { 'weft.dev/opaque-ports': '80' } })],
  },
  {
    code: 'WEFT107',
    bad: [{ ...deployment(), metadata: meta('reviews', { labels: { 'weft.dev/inject': 'disabled' } }) }],
    good: [deployment({ labels: { 'weft.dev/inject': 'disabled' } })],
  },
  { code: 'WEFT108', bad: [tp({}), tp({ routes: [] })], good: [tp({}), tp({}, 'other')] },
  {
    code: 'WEFT109',
    bad: [namespace({ 'weft.dev/inject': 'true' })],
    good: [namespace({ 'weft.dev/inject': 'disabled' })],
  },
  {
    code: 'WEFT109',
    bad: [namespace({ 'weft.dev/default-access': 'deny' })],
    good: [namespace({ 'weft.dev/default-access': 'DryRunDeny' })],
  },

  { code: 'WEFT201', as: 'complete', bad: [tp({})], good: [tp({}), service()] },
  {
    code: 'WEFT201',
    as: 'complete',
    bad: [
      route('a', { parentRefs: [{ group: '', kind: 'Service', name: 'revews' }], rules: [to('/')] }),
      service(),
    ],
    good: [route('a', { rules: [to('/')] }), service()],
  },
  {
    code: 'WEFT202',
    as: 'complete',
    beside: [service()],
    bad: [routes({ split: [{ service: { name: 'ratings' } }] })],
    good: [routes({ split: [{ service: { name: 'reviews' } }] })],
  },
  { code: 'WEFT203', as: 'complete', beside: [service(), stock, toStock], bad: [], good: [grant({})] },
  { code: 'WEFT204', beside: [service()], bad: [tp({}, 'a'), tp({}, 'b')], good: [tp({}, 'a')] },
  {
    code: 'WEFT205',
    beside: [
      ours('MeshRole', 'reader', { rules: Array.from({ length: 32 }, (_, i) => ({ ports: [i + 1] })) }),
    ],
    bad: Array.from({ length: 9 }, (_, i) => many(i, 64)),
    good: Array.from({ length: 7 }, (_, i) => many(i, 64)),
  },
  {
    code: 'WEFT206',
    installed: { mtlsMinimum: 'strict' },
    bad: [ours('MeshTLSPolicy', 'a', { mode: 'Permissive' })],
    good: [ours('MeshTLSPolicy', 'a', { mode: 'Strict' })],
  },
  {
    code: 'WEFT207',
    beside: [service()],
    bad: [
      route('a', {
        rules: [
          {
            ...to('/'),
            filters: [{ type: 'ExtensionRef', extensionRef: { group: 'a', kind: 'B', name: 'c' } }],
          },
        ],
      }),
    ],
    good: [route('a', { rules: [to('/')] })],
  },
  {
    code: 'WEFT208',
    as: 'complete',
    beside: [binding({ caller: 'Authenticated' })],
    bad: [role({}, 'other')],
    good: [role()],
  },
  {
    code: 'WEFT209',
    as: 'complete',
    beside: [issuer, role()],
    bad: [byToken('https://else.example')],
    good: [byToken('https://login.example')],
  },
  {
    code: 'WEFT210',
    as: 'complete',
    beside: [role()],
    bad: [
      ours('JwtIssuer', 'login', {
        issuer: 'https://login.example',
        audiences: ['shop'],
        jwks: { url: 'https://login.example/keys' },
      }),
    ],
    good: [issuer],
  },
  { code: 'WEFT211', beside: [limit({})], bad: [ports(OPAQUE)], good: [service()] },
  {
    code: 'WEFT212',
    as: 'live',
    beside: [service()],
    bad: [{ ...tp({}), ...condition('Rejected') }],
    good: [{ ...tp({}), ...condition('Pending') }],
  },
  {
    code: 'WEFT213',
    as: 'complete',
    beside: [service()],
    bad: [backendTls('missing')],
    good: [],
  },
  {
    code: 'WEFT219',
    as: 'live',
    beside: [service()],
    bad: [{ ...tp({}), ...condition('SomethingNew') }],
    good: [tp({})],
  },

  {
    code: 'WEFT301',
    bad: [routes({ match: [{ path: { prefix: '/api' } }] }, { match: [{ path: { exact: '/api/x' } }] })],
    good: [routes({ match: [{ path: { exact: '/api/x' } }] }, { match: [{ path: { prefix: '/api' } }] })],
  },
  {
    code: 'WEFT301',
    bad: [routes({}, { match: [{ method: 'GET' }] })],
    good: [routes({ match: [{ path: { prefix: '/api' } }] }, { match: [{ path: { exact: '/apix' } }] })],
  },
  {
    code: 'WEFT302',
    bad: [
      routes({
        match: [
          {
            headers: [
              { name: 'x-a', exact: '1' },
              { name: 'X-A', exact: '2' },
            ],
          },
        ],
      }),
    ],
    good: [
      routes({
        match: [
          {
            headers: [
              { name: 'x-a', exact: '1' },
              { name: 'x-a', exact: '2', invert: true },
            ],
          },
        ],
      }),
    ],
  },
  {
    code: 'WEFT303',
    bad: [route('a', { rules: [to('/a'), to('/a')] })],
    good: [route('a', { rules: [to('/a'), to('/b')] })],
  },
  {
    code: 'WEFT304',
    bad: [route('a', { rules: [to('/a')] }), route('b', { rules: [to('/a')] })],
    good: [route('a', { rules: [to('/a')] }), route('b', { rules: [to('/b')] })],
  },
  {
    code: 'WEFT305',
    beside: [routes({ match: [{ from: { namespaces: ['web'] } }] })],
    bad: [namespace({}, 'web')],
    good: [namespace({ 'weft.dev/inject': 'enabled' }, 'web')],
  },
  {
    code: 'WEFT306',
    bad: [routes({ mirror: [{ service: { name: 'reviews' }, percent: 5 }] })],
    good: [routes({ mirror: [{ service: { name: 'reviews' }, labels: { version: 'v2' }, percent: 5 }] })],
  },
  {
    code: 'WEFT307',
    bad: [routes({ split: [{ labels: { version: 'v1' } }, { labels: { version: 'v2' }, weight: 0 }] })],
    good: [routes({ split: [{ labels: { version: 'v1' } }, { labels: { version: 'v2' }, weight: 1 }] })],
  },
  {
    code: 'WEFT308',
    bad: [
      routes({
        session: { cookie: { name: 's' } },
        split: [
          { labels: { version: 'v1' }, weight: 9 },
          { labels: { version: 'v2' }, weight: 1 },
        ],
      }),
    ],
    good: [routes({ session: { cookie: { name: 's' } }, split: [{ labels: { version: 'v1' } }] })],
  },
  {
    code: 'WEFT309',
    as: 'complete',
    beside: SHOP,
    bad: [routes({ split: [{ labels: { version: 'v2' } }] })],
    good: [routes({ split: [{ labels: { version: 'v1' } }] })],
  },
  {
    code: 'WEFT310',
    bad: [routes({ redirect: { scheme: 'https' }, timeouts: { request: '1s' } })],
    good: [routes({ redirect: { scheme: 'https' } })],
  },
  { code: 'WEFT311', beside: [routes({})], bad: [service({ clusterIP: 'None' })], good: [service()] },
  {
    code: 'WEFT312',
    beside: [routes({ match: [{ path: { prefix: '/' } }] })],
    bad: [ports(OPAQUE)],
    good: [ports(OPAQUE, { name: 'http', port: 80 })],
  },

  {
    code: 'WEFT331',
    bad: [routes({ retries: { attempts: 3 }, timeouts: { request: '3s', perTry: '1s' } })],
    good: [routes({ retries: { attempts: 2 }, timeouts: { request: '3s', perTry: '1s' } })],
  },
  {
    code: 'WEFT332',
    bad: [routes({ retries: {}, hedging: { delay: '10ms' } })],
    good: [routes({ hedging: { delay: '10ms' } })],
  },
  {
    code: 'WEFT333',
    bad: [routes({ retries: { methods: ['GET', 'POST'] } })],
    good: [routes({ retries: { methods: ['GET', 'PUT'] } })],
  },
  {
    code: 'WEFT334',
    bad: [routes({ hedging: { delay: '10ms', methods: ['PATCH'] } })],
    good: [routes({ hedging: { delay: '10ms', methods: ['GET'] } })],
  },
  {
    code: 'WEFT335',
    bad: [routes({ hedging: { delay: '1s' }, timeouts: { request: '1s' } })],
    good: [routes({ hedging: { delay: '900ms' }, timeouts: { request: '1s' } })],
  },
  {
    code: 'WEFT336',
    bad: [routes({ retries: { backoff: '1s' }, timeouts: { request: '1s' } })],
    good: [routes({ retries: { backoff: '1s' }, timeouts: { request: '0s' } })],
  },
  {
    code: 'WEFT337',
    bad: [routes({ timeouts: { idle: '5s', request: '5s' } })],
    good: [routes({ timeouts: { idle: '4s', request: '5s' } })],
  },
  { code: 'WEFT338', bad: [limit({ burst: 99 })], good: [limit({ burst: 100 })] },
  {
    code: 'WEFT339',
    as: 'live',
    beside: [service(), slice({ ip: '10.0.0.1', ready: true }, { ip: '10.0.0.2', ready: true })],
    bad: [limit({ burst: 1 })],
    good: [limit({ burst: 2 })],
  },
  { code: 'WEFT340', bad: [routes({ fault: { abort: { percent: 1, status: 500 } } })], good: [routes({})] },
  { code: 'WEFT341', bad: [limit({ mode: 'DryRun' })], good: [limit({ mode: 'Enforce' })] },
  {
    code: 'WEFT341',
    bad: [binding({ caller: 'Authenticated' }, { mode: 'DryRun' })],
    good: [binding({ caller: 'Authenticated' })],
  },
  { code: 'WEFT341', bad: [check({ mode: 'DryRun' })], good: [check({})] },
  {
    code: 'WEFT342',
    bad: [tp({ circuitBreaker: { consecutiveFailures: 3, ejection: { maxPercent: 0 } } })],
    good: [tp({ circuitBreaker: { consecutiveFailures: 3, ejection: { maxPercent: 1 } } })],
  },
  { code: 'WEFT343', bad: [check({ onFailure: 'Allow' })], good: [check({ onFailure: 'Deny' })] },
  {
    code: 'WEFT344',
    beside: [namespace(), service(), limit({})],
    bad: [deployment({ labels: { 'weft.dev/inject': 'disabled' } })],
    good: [deployment()],
  },
  {
    code: 'WEFT345',
    beside: [service(), deployment(), routes({})],
    bad: [namespace({})],
    good: [namespace()],
  },
];

export const CASES: readonly Case[] = [...TRAFFIC_CASES, ...ACCESS_CASES];
