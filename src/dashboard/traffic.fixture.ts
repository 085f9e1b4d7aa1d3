import { idOf, saidEdge, saidHistory, saidTraffic, type Said } from '../telemetry/seen.fixture.js';
import type { TrafficEdge } from '../telemetry/index.js';
import type { ApiServer } from '../testing/index.js';

const POD = 'weft-default-5d9c7b8f6-x2x4q';
const SYSTEM = '/api/v1/namespaces/weft-system';

/** Both sides of a call between workloads of the shop, of so many requests in ten seconds. */
function call(from: string, to: string, more: Partial<Said> & { requests: number; failed?: number }): Said[] {
  const { requests, failed = 0, took = [4, requests], ...rest } = more;
  const counts = { ok: requests - failed, ...(failed > 0 ? { serverError: failed } : {}) };
  const service = `shop/${to.replace(/-v\d$/, '')}`;
  const account = to.replace(/-v\d$/, '');
  const named = { service, backend: `${service}:8080`, ...rest };
  return [
    { by: from, ...named, peer: idOf(account), tls: 'mutual', counts },
    { by: from, ...named, took },
    { by: to, as: account, direction: 'inbound', service, peer: idOf(from), tls: 'mutual', counts },
    { by: to, as: account, direction: 'inbound', service, took },
  ];
}

/** The demo shop in ten seconds: a canary whose second version fails, a caller without a proxy, and one that is refused. */
export const SHOP_EDGES: readonly TrafficEdge[] = [
  ...call('shopper', 'web', { requests: 400, took: [5, 400] }),
  ...call('web', 'catalog', { requests: 400, took: [2, 400] }),
  ...call('web', 'reviews-v1', {
    requests: 360,
    route: 'canary',
    backend: 'shop/reviews:8080{version=v1}',
    took: [3, 360],
  }),
  ...call('web', 'reviews-v2', {
    requests: 40,
    failed: 12,
    route: 'canary',
    backend: 'shop/reviews:8080{version=v2}',
    took: [7, 40],
  }),
  { by: 'catalog', direction: 'inbound', service: 'shop/catalog', tls: 'none', counts: { ok: 20 } },
  {
    by: 'reviews-v1',
    as: 'reviews',
    direction: 'inbound',
    service: 'shop/reviews',
    peer: idOf('mallory'),
    tls: 'mutual',
    rule: 'shop/readers',
    counts: { denied: 7 },
  },
  {
    by: 'catalog',
    service: 'shop/db',
    port: '5432',
    backend: 'shop/db:5432',
    peer: idOf('db'),
    tls: 'mutual',
    counts: { connection: 2 },
    open: 4,
  },
].map((said) => saidEdge(said as Said));

/** The second version came ten minutes ago and began to fail four minutes ago; the shop is busier in waves. */
function shopShare(edge: TrafficEdge, minute: number): number {
  const wave = 0.75 + 0.25 * Math.sin(minute / 4);
  const second = edge.backend.includes('v2') || edge.reporter.name === 'reviews-v2';
  if (second && minute < 20) return 0;
  if (edge.rule !== '' && minute < 17) return 0;
  return wave;
}

/** Lets the replica of the control plane answer what happened. */
export function putTraffic(
  api: ApiServer,
  edges: readonly TrafficEdge[],
  share?: (edge: TrafficEdge, minute: number) => number,
): void {
  api.onPost(`${SYSTEM}/serviceaccounts/weft-default-view/token`, () => ({
    status: 201,
    body: { status: { token: 'a-token' } },
  }));
  const day = 24 * 3_600_000;
  const life = (subject: string, print: string, fromDays: number, days: number): object => ({
    subject,
    sha256: print.repeat(32),
    notBefore: Date.now() + fromDays * day,
    notAfter: Date.now() + (fromDays + days) * day,
  });
  const authority = JSON.stringify({
    issuer: life('CN=Weft issuer of cluster.local', '3f', -100, 365),
    roots: [life('CN=Weft root of cluster.local', 'a1', -100, 3_652)],
  });
  api.onGet(viewPath('authority'), () => authority);
  const history = JSON.stringify(saidHistory(edges, share));
  const traffic = JSON.stringify(saidTraffic(edges));
  api.onGet(viewPath('traffic'), () => traffic);
  api.onGet(viewPath('history'), () => history);
}

/** The traffic of the shop. */
export function putShopTraffic(api: ApiServer): void {
  putTraffic(api, SHOP_EDGES, shopShare);
}

/** Where the API server leads to the view of the replica. */
export function viewPath(what: 'traffic' | 'history' | 'authority'): string {
  return `${SYSTEM}/pods/https:${POD}:15114/proxy/${what}`;
}
