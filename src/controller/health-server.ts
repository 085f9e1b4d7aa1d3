import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { MeshError, type Metrics } from '../base/index.js';

/** Something that must hold for this replica to be ready, in words that say what is missing. */
export interface ReadinessCheck {
  readonly name: string;
  readonly holds: () => boolean;
}

export interface HealthServerOptions {
  /** `names.ControlPlanePort.health`; 0 in tests. */
  readonly port: number;
  /** Default `::`, which takes IPv4 too. */
  readonly host?: string;
  readonly metrics: Metrics;
  readonly ready: () => readonly ReadinessCheck[];
}

/** Serves `/ready`, `/live` and `/metrics` until the signal aborts. Being alive is answering at all. */
export async function startHealthServer(
  options: HealthServerOptions,
  signal: AbortSignal,
): Promise<{ readonly port: number }> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    void answer(path, options, response);
  });
  server.requestTimeout = 5_000;
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
  const address = server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0 };
}

async function answer(path: string, options: HealthServerOptions, response: ServerResponse): Promise<void> {
  const { status, body } = await answerTo(path, options).catch((thrown: unknown) => ({
    status: 500,
    body: `${MeshError.from(thrown).message}\n`,
  }));
  response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
  response.end(body);
}

async function answerTo(
  path: string,
  { metrics, ready }: HealthServerOptions,
): Promise<{ status: number; body: string }> {
  if (path === '/live') return { status: 200, body: 'alive\n' };
  if (path === '/metrics') return { status: 200, body: await metrics.text() };
  if (path !== '/ready') return { status: 404, body: 'there are /ready, /live and /metrics\n' };
  const missing = ready().filter((check) => !check.holds());
  if (missing.length === 0) return { status: 200, body: 'ready\n' };
  return { status: 503, body: missing.map((check) => `not yet: ${check.name}\n`).join('') };
}
