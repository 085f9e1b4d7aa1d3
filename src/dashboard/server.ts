import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import { MeshError, portOf } from '../base/index.js';
import type { KubeClient } from '../kube/index.js';
import { Collector } from './collector.js';
import type { Knowledge } from './knowledge.js';
import { tapRoute } from './tap-route.js';
import type { WebAssets } from './web-assets.js';

export interface DashboardOptions {
  readonly client: KubeClient;
  readonly assets: WebAssets;
  /** On 127.0.0.1. Default 8085; 0 takes any free port. */
  readonly port?: number;
  readonly knowledge: Knowledge;
  /** Where the control plane runs. Default `weft-system`. */
  readonly systemNamespace?: string;
}

export interface RunningDashboard {
  readonly url: string;
  /** Resolves after the signal, when the last answer is out. */
  readonly closed: Promise<void>;
}

/** Only this machine: the page shows whatever your kubeconfig may read. */
const HOST = '127.0.0.1';

/** Where the dashboard listens when nobody says otherwise. */
export const DEFAULT_PORT = 8085;

/** Any port, so that a forwarded one works, too. */
const LOOPBACK = /^(127\.0\.0\.1|localhost)(:\d+)?$/i;

/** Nothing from elsewhere, nothing inline, nothing evaluated, in nobody's frame. */
const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
};

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Weft</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/app.css">
</head>
<body>
<div id="app"></div>
<noscript>This page needs JavaScript. The same is told by "weft" on the command line.</noscript>
<script type="module" src="/app.js"></script>
</body>
</html>
`;

/** Three warp threads and the weft that goes over and under them. */
const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#0f766e"/><g fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round"><path d="M9 6v20M16 6v4M16 22v4M23 6v20" opacity=".55"/><path d="M5 12h8M19 12h8M5 20h22M16 10v12"/></g></svg>`;

/** Serves the page on loopback until the signal aborts. Resolves once it listens. */
export async function startDashboard(
  options: DashboardOptions,
  signal: AbortSignal,
): Promise<RunningDashboard> {
  const collector = new Collector(options);
  const server = createServer(dashboardApp({ ...options, collector, signal }));
  server.headersTimeout = 10_000;
  server.requestTimeout = 10_000;
  const port = options.port ?? DEFAULT_PORT;
  server.listen(port, HOST);
  try {
    await once(server, 'listening');
  } catch (thrown) {
    throw cannotListen(thrown, port);
  }
  const closed = once(server, 'close').then(() => undefined);
  closeOn(signal, server);
  return { url: `http://${HOST}:${portOf(server)}/`, closed };
}

interface AppOptions {
  readonly collector: Collector;
  readonly knowledge: Knowledge;
  readonly assets: WebAssets;
  readonly signal: AbortSignal;
}

/** The express application. It only reads: there is no endpoint that changes anything. */
export function dashboardApp({ collector, knowledge, assets, signal }: AppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(guard);
  app.get('/', (_request, response) => void response.type('html').send(PAGE));
  app.get('/app.js', (_request, response) => void response.type('text/javascript').send(assets.script));
  app.get('/app.css', (_request, response) => void response.type('css').send(assets.style));
  app.get('/icon.svg', (_request, response) => void response.type('image/svg+xml').send(ICON));
  app.get('/api/mesh', async (_request, response) => void response.json(await collector.view(signal)));
  app.get('/api/history', async (_request, response) => void response.json(await collector.history(signal)));
  app.get('/api/changes', async (_request, response) => void response.json(await collector.changes(signal)));
  app.get(
    '/api/findings',
    async (_request, response) => void response.json(await collector.findings(signal)),
  );
  app.get(
    '/api/authority',
    async (_request, response) => void response.json(await collector.authority(signal)),
  );
  app.get('/api/tap', tapRoute(knowledge, signal));
  app.get('/api/access', async ({ query: { namespace } }, response) => {
    if (typeof namespace !== 'string')
      response.status(400).json({ error: 'say which namespace: ?namespace=shop' });
    else response.json(await collector.access(namespace, signal));
  });
  app.get('/api/pods', async ({ query: { namespace, workload } }, response) => {
    if (typeof namespace !== 'string' || typeof workload !== 'string')
      response.status(400).json({ error: 'say which workload: ?namespace=shop&workload=Deployment/web' });
    else response.json(await collector.pods({ namespace, workload }, signal));
  });
  app.use((_request, response) => void response.status(404).json({ error: 'there is nothing here' }));
  app.use(failed);
  return app;
}

/** What a browser says of a request that our own page makes, or that a person types. Others than browsers say nothing. */
const OWN_SITE: readonly (string | undefined)[] = [undefined, 'same-origin', 'none'];

/**
 * A page elsewhere can make its own name resolve to 127.0.0.1 and then read what we answer, so only our own names may
 * stand in `Host`. It could also ask without being able to read, and have proxies watched: the browser says that it is from
 * elsewhere. Methods that could change something are refused before anything else looks at them.
 */
const guard: RequestHandler = (request, response, next) => {
  response.set(HEADERS);
  const host = request.headers.host ?? '';
  if (!LOOPBACK.test(host)) {
    response
      .status(403)
      .json({ error: `the dashboard answers as localhost and ${HOST} only, not as "${host}"` });
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.status(405).set('allow', 'GET, HEAD').json({ error: 'the dashboard only reads' });
  } else if (request.path.startsWith('/api/') && !OWN_SITE.includes(request.get('sec-fetch-site'))) {
    response.status(403).json({ error: 'the dashboard answers its own page only' });
  } else next();
};

/** Whoever looks at the page is who can do something about it. */
const failed: ErrorRequestHandler = (thrown: unknown, _request, response, _next) => {
  const error = MeshError.from(thrown);
  response.status(error.retryable ? 503 : 500).json({ error: error.message });
};

function cannotListen(thrown: unknown, port: number): MeshError {
  const taken =
    typeof thrown === 'object' && thrown !== null && 'code' in thrown && thrown.code === 'EADDRINUSE';
  if (taken)
    return new MeshError(
      'precondition',
      `port ${port} is taken: choose another with --port, 0 for any free one`,
    );
  return MeshError.from(thrown);
}

function closeOn(signal: AbortSignal, server: Server): void {
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  if (signal.aborted) close();
  else signal.addEventListener('abort', close, { once: true });
}
