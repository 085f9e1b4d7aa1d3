/** The SPIFFE identity of an account of the shop. */
export const identity = (name: string): string => `spiffe://cluster.local/ns/shop/sa/${name}`;

/** What the proxy of web tells of a call of reviews that was carried; tests add what they are about. */
export const CARRIED = {
  time: '2026-11-30T12:00:01.123Z',
  side: 'caller',
  kind: 'request',
  method: 'GET',
  authority: 'reviews:9080',
  path: '/api/v1?x=1',
  status: 200,
  verdict: 'carried',
  durationMs: 12.407,
  destination: 'shop/reviews:9080',
  route: 'canary',
  caller: identity('web'),
  receiver: identity('reviews'),
  tls: 'mutual',
  attempts: [{ endpoint: '10.244.0.8:9080', result: '200', tookMs: 9 }],
  leftOut: 0,
};
