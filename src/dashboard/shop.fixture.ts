/** What the proxies of the demo shop would answer, for tests: shopper calls web, web calls catalog and two versions of reviews. */

const BOUNDS = [
  '0.0005',
  '0.001',
  '0.002',
  '0.005',
  '0.01',
  '0.02',
  '0.05',
  '0.1',
  '0.2',
  '0.5',
  '1.0',
  '2.0',
  '5.0',
  '10.0',
];

/** SPIFFE identity of a service account of the shop. */
export function shopIdentity(account: string): string {
  return `spiffe://cluster.local/ns/shop/sa/${account}`;
}

interface Flow {
  direction: 'inbound' | 'outbound';
  destination: string;
  backend?: string;
  route?: string;
  peer: string;
  tls?: 'mutual' | 'backend' | 'none';
  /** Requests so far by HTTP status. */
  codes: Record<string, number>;
  /** Upper bound that every request kept. */
  within?: string;
}

/** A scrape in the format the proxy writes. */
export function scrape(...flows: Flow[]): string {
  return [
    '# TYPE weft_certificate_expiry_timestamp_seconds gauge',
    `weft_certificate_expiry_timestamp_seconds ${Math.floor(Date.now() / 1000) + 60_000}`,
    '# HELP weft_requests HTTP requests, by result.',
    '# TYPE weft_requests counter',
    ...flows.flatMap(requests),
    '# HELP weft_request_duration_seconds From the head of a request to the end of its response.',
    '# TYPE weft_request_duration_seconds histogram',
    '# UNIT weft_request_duration_seconds seconds',
    ...flows.flatMap(durations),
    '# EOF',
    '',
  ].join('\n');
}

function requests({
  direction,
  destination,
  backend = '',
  route = '',
  peer,
  tls = 'mutual',
  codes,
}: Flow): string[] {
  return Object.entries(codes).map(
    ([code, count]) =>
      `weft_requests_total{code="${code}",grpc_status="",direction="${direction}",destination="${destination}",` +
      `backend="${backend}",route="${route}",peer="${peer}",tls="${tls}"} ${count}`,
  );
}

function durations({ direction, destination, backend = '', codes, within = '0.01' }: Flow): string[] {
  const labels = `direction="${direction}",destination="${destination}",backend="${backend}"`;
  const all = Object.values(codes).reduce((sum, count) => sum + count, 0);
  return [...BOUNDS, '+Inf'].map((le) => {
    const count = le === '+Inf' || Number(le) >= Number(within) ? all : 0;
    return `weft_request_duration_seconds_bucket{le="${le}",${labels}} ${count}`;
  });
}

/** Scrapes of all the shop's pods after `seconds` of steady traffic: 90 and 10 % of reviews to v1 and v2, v2 fails every tenth time. */
export function shopScrapes(seconds: number): Record<string, string> {
  const n = Math.round(seconds * 40);
  const v2 = Math.round(n / 10);
  const failed = Math.round(v2 / 10);
  const peer = shopIdentity('web');
  const reviews = {
    direction: 'outbound',
    destination: 'shop/reviews:8080',
    route: 'canary',
    peer: shopIdentity('reviews'),
  } as const;
  const inbound = (service: string, from: string, codes: Record<string, number>): Flow => ({
    direction: 'inbound',
    destination: `shop/${service}:8080`,
    peer: from,
    tls: from === '' ? 'none' : 'mutual',
    codes,
  });
  return {
    shopper: scrape({
      direction: 'outbound',
      destination: 'shop/web:8080',
      backend: 'shop/web:8080',
      peer,
      codes: { 200: n },
      within: '0.02',
    }),
    web: scrape(
      inbound('web', shopIdentity('shopper'), { 200: n }),
      {
        direction: 'outbound',
        destination: 'shop/catalog:8080',
        backend: 'shop/catalog:8080',
        peer: shopIdentity('catalog'),
        codes: { 200: n },
        within: '0.002',
      },
      { ...reviews, backend: 'shop/reviews:8080{version=v1}', codes: { 200: n - v2 }, within: '0.005' },
      { ...reviews, backend: 'shop/reviews:8080{version=v2}', codes: { 200: v2 - failed, 503: failed } },
    ),
    catalog: scrape(
      inbound('catalog', peer, { 200: n }),
      inbound('catalog', '', { 200: Math.round(n / 20) }),
    ),
    'reviews-v1': scrape(inbound('reviews', peer, { 200: n - v2 })),
    'reviews-v2': scrape(inbound('reviews', peer, { 200: v2 - failed, 503: failed })),
  };
}
