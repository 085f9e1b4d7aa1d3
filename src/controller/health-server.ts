import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { MeshError, portOf, type Metrics } from '../base/index.js';
import { ConnectionBudget, type ConnectionLimits, type ListenerMetrics } from '../base/listener/index.js';

/** Something that must hold for this replica to be ready, in words that say what is missing. */
export interface ReadinessCheck {
  readonly name: string;
  readonly holds: () => boolean;
  /** What exactly is missing, one line each. */
  readonly missing?: () => readonly string[];
}

export interface HealthServerOptions {
  /** `names.ControlPlanePort.health`; 0 in tests. */
  readonly port: number;
  /** Default `::`, which takes IPv4 too. */
  readonly host?: string;
  readonly metrics: Metrics;
  readonly listeners?: ListenerMetrics;
  readonly ready: () => readonly ReadinessCheck[];
  /** What is not as it should be although this replica is ready, one line each. */
  readonly notes?: () => readonly string[];
}

/** Kubelets and scrapers; both come from few addresses and seldom. */
const CONNECTIONS: ConnectionLimits = {
  total: 128,
  perAddress: 32,
  newPerAddress: { burst: 60, everyMs: 50 },
};
/** Whoever asks for metrics more often gets those of a moment ago. */
const METRICS_EVERY_MS = 1_000;

/** Serves `/ready`, `/live` and `/metrics` until the signal aborts. Being alive is answering at all. */
export async function startHealthServer(
  options: HealthServerOptions,
  signal: AbortSignal,
): Promise<{ readonly port: number }> {
  const text = atMostEvery(METRICS_EVERY_MS, () => options.metrics.text());
  const server = createServer({ connectionsCheckingInterval: 1_000 }, (request, response) => {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    void answer(path, { ...options, text }, response);
  });
  server.requestTimeout = 5_000;
  server.headersTimeout = 5_000;
  const budget = new ConnectionBudget(CONNECTIONS);
  options.listeners?.watch('health', () => budget.size);
  server.on('connection', (socket) => {
    const reason = budget.enter(socket);
    if (reason === undefined) return;
    options.listeners?.refused.inc({ listener: 'health', reason });
    socket.destroy();
  });
  server.listen(options.port, options.host ?? '::');
  await once(server, 'listening');
  signal.addEventListener(
    'abort',
    () => {
      server.close();
      server.closeAllConnections();
    },
    { once: true },
  );
  return { port: portOf(server) };
}

interface Answering extends Pick<HealthServerOptions, 'ready' | 'notes'> {
  readonly text: () => Promise<string>;
}

/** The same promise for all who ask within the time. */
function atMostEvery(ms: number, make: () => Promise<string>): () => Promise<string> {
  let made: { readonly at: number; readonly text: Promise<string> } | undefined;
  return () => {
    const now = performance.now();
    if (made === undefined || now - made.at > ms) made = { at: now, text: make() };
    return made.text;
  };
}

async function answer(path: string, options: Answering, response: ServerResponse): Promise<void> {
  const { status, body } = await answerTo(path, options).catch((thrown: unknown) => ({
    status: 500,
    body: `${MeshError.from(thrown).message}\n`,
  }));
  response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
  response.end(body);
}

async function answerTo(
  path: string,
  { text, ready, notes }: Answering,
): Promise<{ status: number; body: string }> {
  if (path === '/live') return { status: 200, body: 'alive\n' };
  if (path === '/metrics') return { status: 200, body: await text() };
  if (path !== '/ready') return { status: 404, body: 'there are /ready, /live and /metrics\n' };
  const missing = ready().filter((check) => !check.holds());
  if (missing.length > 0) return { status: 503, body: missing.flatMap(linesOf).join('') };
  return { status: 200, body: ['ready\n', ...(notes?.() ?? []).map((note) => `note: ${note}\n`)].join('') };
}

function linesOf({ name, missing }: ReadinessCheck): string[] {
  return [`not yet: ${name}\n`, ...(missing?.() ?? []).map((line) => `  ${line}\n`)];
}
