import { request } from 'node:https';
import { afterEach, expect, test } from '@jest/globals';
import { Metrics, createLogger, names, systemClock, watched } from '../base/index.js';
import type { ServerIdentity } from '../grpc/index.js';
import { describeCertificate, livesOf, type TokenReviewStatus } from '../identity/index.js';
import { SERVER } from '../testing/config-server.js';
import { testCa } from '../testing/test-ca.js';
import { authorityView } from './authority.js';
import { ReportService } from './report-service.js';
import { historyView } from './history.js';
import { trafficView } from './view.js';
import { startViewServer } from './view-server.js';
import { Viewers } from './viewers.js';

const VIEWER = 'system:serviceaccount:weft-system:weft-default-view';
const GOOD = { authenticated: true, audiences: ['weft-view'], user: { username: VIEWER } };

let ends = new AbortController();
afterEach(() => {
  ends.abort();
  ends = new AbortController();
});

/** A server, and how it answers; `reviews` are what the API server says of tokens. */
async function start(
  reviews: Readonly<Record<string, TokenReviewStatus | 'down'>> = { good: GOOD },
  hasIssuer = true,
) {
  const ca = await testCa();
  const asked: string[] = [];
  const review = (token: string, audience: string): Promise<TokenReviewStatus> => {
    asked.push(`${token} for ${audience}`);
    const status = reviews[token] ?? { authenticated: false };
    return status === 'down' ? Promise.reject(new Error('down')) : Promise.resolve(status);
  };
  const reports = new ReportService({
    clock: systemClock,
    metrics: new Metrics(),
    reporterOf: () => ({ namespace: '', kind: '', name: '', identity: '' }),
    serves: () => false,
  });
  const { port } = await startViewServer(
    {
      port: 0,
      host: '127.0.0.1',
      identity: watched<ServerIdentity>(await ca.certificate(SERVER)),
      reports,
      authority: () => (hasIssuer ? livesOf(ca.issuer) : undefined),
      viewers: new Viewers({ review, username: VIEWER, clock: systemClock }),
      log: createLogger({ level: 'silent' }),
    },
    ends.signal,
  );
  const get = (path: string, token?: string): Promise<{ status: number; body: unknown }> =>
    new Promise((resolve, reject) => {
      const headers = token === undefined ? {} : { [names.VIEW_TOKEN_HEADER]: token };
      // As the API server does: it looks at no certificate of a pod.
      const sent = request(
        { host: '127.0.0.1', port, path, headers, rejectUnauthorized: false },
        (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => (text += chunk.toString()));
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as unknown }),
          );
        },
      );
      sent.on('error', reject);
      sent.end();
    });
  return { get, asked, ca };
}

test('a token of the account of viewers lets in, and is asked about once', async () => {
  const { get, asked } = await start();
  for (let i = 0; i < 3; i++) {
    const { status, body } = await get('/traffic?since=30m&namespace=shop', 'good');
    expect(status).toBe(200);
    expect(trafficView.parse(body)).toMatchObject({ proxies: 0, edges: [] });
    const history = await get('/history?namespace=shop', 'good');
    expect(historyView.parse(history.body)).toMatchObject({ edges: [] });
  }
  expect(asked).toEqual(['good for weft-view']);
});

test.each<[string, TokenReviewStatus | 'down', number]>([
  ['that is not valid', { authenticated: false }, 401],
  ['for the API server', { ...GOOD, audiences: ['https://kubernetes.default.svc'] }, 401],
  ['of an API server that knows no audiences', { authenticated: true, user: { username: VIEWER } }, 401],
  ['of a pod of somebody else', { ...GOOD, user: { username: 'system:serviceaccount:shop:web' } }, 403],
  [
    'of the same name elsewhere',
    { ...GOOD, user: { username: 'system:serviceaccount:shop:weft-default-view' } },
    403,
  ],
  ['that nobody can ask about', 'down', 503],
])('a token %s does not', async (_, review, expected) => {
  const { get } = await start({ token: review });
  expect((await get('/traffic', 'token')).status).toBe(expected);
});

test('without a token nothing is shown, whatever is asked', async () => {
  const { get, asked } = await start();
  expect((await get('/traffic')).status).toBe(401);
  expect((await get('/history')).status).toBe(401);
  expect((await get('/authority')).status).toBe(401);
  expect((await get('/traffic', '')).status).toBe(401);
  expect((await get('/metrics', 'good')).status).toBe(404);
  expect(asked).toEqual([]);
});

test('root and issuer are shown with their lives, and nothing of their keys', async () => {
  const { get, ca } = await start();
  const { status, body } = await get('/authority', 'good');
  expect(status).toBe(200);
  const { issuer, roots } = authorityView.parse(body);
  expect(describeCertificate(ca.roots)).toContain(roots[0]?.sha256);
  expect(describeCertificate(ca.issuer.chain)).toContain(issuer.sha256);
  expect(issuer.notAfter).toBe(ca.issuer.certificate.notAfter.getTime());
  expect(issuer.notAfter).toBeLessThanOrEqual(roots[0]!.notAfter);
  expect(Object.keys(issuer).sort()).toEqual(['notAfter', 'notBefore', 'sha256', 'subject']);
});

test('a replica without an issuer says so', async () => {
  const { get } = await start({ good: GOOD }, false);
  expect((await get('/authority', 'good')).status).toBe(503);
});

test('a flood of made-up tokens reaches the API server as a few', async () => {
  const { get, asked } = await start();
  const statuses = await Promise.all(
    Array.from({ length: 60 }, async (_, i) => (await get('/traffic', `made-up-${i}`)).status),
  );
  expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(20);
  expect(asked.length).toBeLessThan(40);
});

test('a window that is not kept is named', async () => {
  const { get } = await start();
  expect(await get('/traffic?since=2h', 'good')).toMatchObject({
    status: 400,
    body: { message: 'since is not one of 10s, 1m, 5m, 30m' },
  });
});
