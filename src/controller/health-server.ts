import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { Metrics } from '../base/index.js';

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

async function answer(
  path: string,
  { metrics, ready }: HealthServerOptions,
  response: ServerResponse,
): Promise<void> {
  if (path === '/live') return text(response, 200, 'alive\n');
  if (path === '/metrics')
    return text(response, 200, await metrics.text(), 'text/plain; version=0.0.4; charset=utf-8');
  if (path !== '/ready') return text(response, 404, 'there are /ready, /live and /metrics\n');
  const missing = ready().filter((check) => !check.holds());
  if (missing.length === 0) return text(response, 200, 'ready\n');
  text(response, 503, missing.map((check) => `not yet: ${check.name}\n`).join(''));
}

function text(
  response: ServerResponse,
  status: number,
  body: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': type });
  response.end(body);
}
