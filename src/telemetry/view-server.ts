import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { MeshError, names, portOf, type Logger, type Watched } from '../base/index.js';
import {
  DOOR_SOCKETS,
  standBefore,
  type ConnectionLimits,
  type ListenerMetrics,
} from '../base/listener/index.js';
import type { ServerIdentity } from '../grpc/index.js';
import type { AuthorityView } from './authority.js';
import type { ReportService } from './report-service.js';
import { historyOf } from './history.js';
import { isWindowName, viewOf, WINDOWS_MS } from './view.js';
import type { Viewers } from './viewers.js';

export interface ViewServerOptions {
  /** `names.ControlPlanePort.view`; 0 in tests. */
  readonly port: number;
  /** Default `::`, which takes IPv4 too. */
  readonly host?: string;
  readonly identity: Watched<ServerIdentity>;
  readonly reports: ReportService;
  /** What this replica signs with and trusts; undefined while it has nothing. */
  readonly authority: () => AuthorityView | undefined;
  readonly viewers: Pick<Viewers, 'refusal'>;
  readonly log: Logger;
  readonly listeners?: ListenerMetrics | undefined;
}

/** API servers, through which people look. */
const CONNECTIONS: ConnectionLimits = {
  total: 128,
  perAddress: 64,
  newPerAddress: { burst: 64, everyMs: 50 },
};

/** A question is a few hundred bytes, and the API server is near. */
const PATIENCE_MS = 5_000;
/** How often that is looked at; Node's default is 30 s. */
const CHECK_MS = 1_000;

const HISTORY = '/history';
const AUTHORITY = '/authority';
const PATHS: readonly string[] = ['/traffic', HISTORY, AUTHORITY];

interface Answer {
  readonly status: number;
  readonly body: string;
}

/**
 * Serves `GET /traffic?since=10s&namespace=shop`, `GET /history?namespace=shop` and `GET /authority` until the signal aborts, to whoever has a token of the account
 * of viewers. TLS keeps token and answer from the network between the API server and us; the API server does not look at our certificate.
 */
export async function startViewServer(
  options: ViewServerOptions,
  signal: AbortSignal,
): Promise<{ readonly port: number }> {
  const { identity, log, listeners } = options;
  const server = createServer({
    ...tlsOf(identity.current),
    ...DOOR_SOCKETS,
    handshakeTimeout: PATIENCE_MS,
    headersTimeout: PATIENCE_MS,
    requestTimeout: PATIENCE_MS,
    connectionsCheckingInterval: CHECK_MS,
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    void answer(request, options).then(({ status, body }) => {
      response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      response.end(body);
    });
  });
  server.on('tlsClientError', (error) => log.debug({ err: error.message }, 'a TLS handshake failed'));
  identity.subscribe((next) => server.setSecureContext(tlsOf(next)), signal);
  const door = standBefore(server, { name: 'view', limits: CONNECTIONS, metrics: listeners });
  server.listen(options.port, options.host ?? '::');
  await once(server, 'listening');
  const close = (): void => {
    door.close();
    server.close();
    server.closeAllConnections();
  };
  signal.addEventListener('abort', close, { once: true });
  return { port: portOf(server) };
}

function tlsOf({ chain, privateKey }: ServerIdentity): object {
  return { cert: chain, key: privateKey, minVersion: 'TLSv1.3' };
}

async function answer(request: IncomingMessage, options: ViewServerOptions): Promise<Answer> {
  const gone = new AbortController();
  request.once('close', () => gone.abort());
  try {
    return await answerTo(request, options, AbortSignal.any([gone.signal, AbortSignal.timeout(10_000)]));
  } catch (thrown) {
    options.log.error({ err: MeshError.from(thrown) }, 'could not show the traffic');
    return said(500, 'the traffic could not be shown; the log of the control plane says why');
  }
}

async function answerTo(
  request: IncomingMessage,
  { reports, viewers, authority }: ViewServerOptions,
  signal: AbortSignal,
): Promise<Answer> {
  const url = new URL(request.url ?? '/', 'https://weft');
  if (request.method !== 'GET' || !PATHS.includes(url.pathname))
    return said(404, `not found; only GET ${PATHS.join(', ')} are served here`);
  const token = request.headers[names.VIEW_TOKEN_HEADER];
  const refused = await viewers.refusal(typeof token === 'string' ? token : undefined, signal);
  if (refused !== undefined) return said(refused.status, refused.message);
  if (url.pathname === AUTHORITY) return authorityAnswer(authority());
  return trafficAnswer(url, reports);
}

async function trafficAnswer(url: URL, reports: ReportService): Promise<Answer> {
  const namespace = url.searchParams.get('namespace') ?? undefined;
  if (url.pathname === HISTORY) return { status: 200, body: JSON.stringify(historyOf(reports, namespace)) };
  const since = url.searchParams.get('since') ?? '1m';
  if (!isWindowName(since)) return said(400, `since is not one of ${Object.keys(WINDOWS_MS).join(', ')}`);
  return { status: 200, body: JSON.stringify(await viewOf(reports, { since, namespace })) };
}

function authorityAnswer(view: AuthorityView | undefined): Answer {
  if (view === undefined) return said(503, 'this replica has no issuer yet');
  return { status: 200, body: JSON.stringify(view) };
}

/** In the form of the API server's own errors, so that clients show the message. */
function said(status: number, message: string): Answer {
  return { status, body: JSON.stringify({ kind: 'Status', status: 'Failure', code: status, message }) };
}
