import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import express, { type ErrorRequestHandler, type Express, type Response } from 'express';
import { LogSampler, MeshError, RateLimit, cut, names, portOf, type Logger } from '../base/index.js';
import {
  BodyBudget,
  BodyRefused,
  DOOR_SOCKETS,
  FairTurns,
  TooManyWaiting,
  addressOf,
  standBefore,
  type ConnectionLimits,
  type ListenerMetrics,
} from '../base/listener/index.js';
import { injectionHandler, type InjectionSettings, type NamespaceLookup } from './inject/index.js';
import { isNestedDeeper } from './nesting.js';
import type { ReviewMetrics } from './review-metrics.js';
import { answerReview, answerUnreadable, type Answer, type Handler } from './review.js';

/** What the API server connects to us with: the chain, leaf first, and its key, both PEM. */
export interface ServingCertificate {
  readonly certPem: string;
  readonly keyPem: string;
}

/** A certificate that is renewed while we serve. */
export interface CertificateSource {
  current(): ServingCertificate;
  /** Calls `listener` with each later certificate; the returned function ends that. */
  subscribe(listener: (certificate: ServingCertificate) => void): () => void;
}

export interface WebhookOptions {
  readonly certificate: CertificateSource;
  /** Asked anew for every pod, because the oldest kubelet of the cluster may change. */
  readonly settings: () => InjectionSettings;
  /** From the informer's store: a review never reads the cluster. */
  readonly namespaceOf: NamespaceLookup;
  readonly log: Logger;
  readonly metrics: ReviewMetrics;
  readonly listeners?: ListenerMetrics;
  /** Default 9443; 0 takes any free port. */
  readonly port?: number;
  /** Default `::`, which is IPv4 too. */
  readonly host?: string;
}

export interface RunningWebhook {
  readonly port: number;
  /** Resolves after the signal, when the last answer is out. */
  readonly closed: Promise<void>;
}

/** The API server takes requests of 3 MB, and the review of a CREATE carries the object once. */
const MAX_BODY_BYTES = 3.5 * 1024 * 1024;

/** A pod nests less than twenty levels deep. */
const MAX_NESTING = 100;

/** Of all bodies together; a usual pod is 20 KB. They arrive within milliseconds from an API server. */
const BODIES = { totalBytes: 32 * 1024 * 1024, maxBytes: MAX_BODY_BYTES, timeoutMs: 4_000 };

/** KiB that are read from one address: enough for a thousand pods at once, and for 200 pods a second after that. */
const KIB_PER_ADDRESS = { burst: 32 * 1024, everyMs: 0.25 };

/** Reviews at once; more gain nothing on one thread, and addresses take turns. */
const REVIEWS = { limit: 4, maxWaiting: 1_024 };

/** An API server opens a connection for each review that it asks at the same time. */
const CONNECTIONS: ConnectionLimits = {
  total: 1_024,
  perAddress: 256,
  newPerAddress: { burst: 512, everyMs: 5 },
};

/** Below the 5 s of the webhook configuration, so that the API server gets a reason and not a cut connection. */
const DEADLINE_MS = 4_000;

/** The API server keeps connections open; ours outlive its idle ones, so that it never writes into a closed one. */
const KEEP_ALIVE_MS = 120_000;
const HEADERS_MS = 10_000;
const REQUEST_MS = 15_000;
/** Whoever opens a connection and says nothing is sent away; Node's default is two minutes. */
const HANDSHAKE_MS = 10_000;

/** How often the times above are looked at; Node's default is 30 s. */
const CHECK_MS = 1_000;

/** How long answers under way may take after the signal. */
const CLOSE_MS = 5_000;

/** Serves admission reviews over TLS 1.3 at `POST /inject` until the signal aborts. Resolves once it listens. */
export async function startWebhook(options: WebhookOptions, signal: AbortSignal): Promise<RunningWebhook> {
  const log = options.log.child({ room: 'admission' });
  const { metrics } = options;
  const handler = injectionHandler({ ...options, log, skipped: metrics.skipped });
  const { certPem, keyPem } = options.certificate.current();
  const app = webhookApp({ '/inject': handler }, metrics, log);
  const server = createServer(
    {
      minVersion: 'TLSv1.3',
      cert: certPem,
      key: keyPem,
      handshakeTimeout: HANDSHAKE_MS,
      ...DOOR_SOCKETS,
      connectionsCheckingInterval: CHECK_MS,
    },
    app,
  );
  const door = standBefore(server, { name: 'webhook', limits: CONNECTIONS, metrics: options.listeners });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.headersTimeout = HEADERS_MS;
  server.requestTimeout = REQUEST_MS;
  const unsubscribe = options.certificate.subscribe((next) => {
    renewCertificate(server, next, log);
  });
  // Not `once`, which would also reject, unheard, when the port cannot be opened.
  const closed = new Promise<void>((resolve) => server.once('close', resolve)).then(() => {
    unsubscribe();
    door.close();
  });
  server.listen(options.port ?? names.ControlPlanePort.webhook, options.host ?? '::');
  await once(server, 'listening');
  closeOn(signal, server);
  const port = portOf(server);
  log.info({ port }, 'webhook listens');
  return { port, closed };
}

/** The express application: one review handler for each path. No other path is read at all. */
export function webhookApp(
  handlers: Readonly<Record<string, Handler>>,
  metrics: ReviewMetrics,
  log: Logger,
): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  const bodies = new BodyBudget(BODIES);
  const turns = new FairTurns(REVIEWS);
  const read = new RateLimit(KIB_PER_ADDRESS);
  const failures = new LogSampler();
  for (const [path, handler] of Object.entries(handlers)) {
    app.post(path, async (request, response) => {
      const peer = addressOf(request.socket);
      if (!read.take(peer, performance.now(), Number(request.headers['content-length'] ?? 0) / 1024))
        throw new BodyRefused(429, 'this address sends too much; try again');
      await bodies.use(request, (body) =>
        turns.run(peer, async () => {
          const started = performance.now();
          const answer = await answerReview(parse(body), handler, DEADLINE_MS);
          metrics.answered(answer.outcome.kind, performance.now() - started);
          noteFailure(answer, peer, { log, failures });
          response.json(answer.review);
        }),
      );
    });
  }
  app.use((_request, response) => {
    response.set('connection', 'close').status(404).type('text').send('there are no reviews here\n');
  });
  app.use(unreadable(metrics, { log, failures }));
  return app;
}

function parse(body: Buffer): unknown {
  if (isNestedDeeper(body, MAX_NESTING))
    throw new BodyRefused(400, `it is nested more than ${MAX_NESTING} levels deep`);
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (thrown) {
    throw new BodyRefused(400, MeshError.from(thrown).message);
  }
}

/** Where failures are told, a few of each kind. */
interface FailureLog {
  readonly log: Logger;
  readonly failures: LogSampler;
}

/** What is thrown before a review is there: not JSON, too long, cut short, too much at once. */
function unreadable(metrics: ReviewMetrics, failureLog: FailureLog): ErrorRequestHandler {
  return (thrown: unknown, request, response: Response, _next) => {
    const status = statusOf(thrown);
    const answer = answerUnreadable(status, `the body cannot be read: ${MeshError.from(thrown).message}`);
    metrics.answered(answer.outcome.kind, 0);
    noteFailure(answer, addressOf(request.socket), failureLog);
    // The rest of the body is not waited for.
    response.set('connection', 'close').status(status).json(answer.review);
  };
}

function statusOf(thrown: unknown): number {
  if (thrown instanceof BodyRefused) return thrown.status;
  return thrown instanceof TooManyWaiting ? 429 : 400;
}

function noteFailure({ outcome, review }: Answer, peer: string, { log, failures }: FailureLog): void {
  if (outcome.kind !== 'errored') return;
  const sample = failures.take(`${outcome.status} ${peer}`);
  if (sample === undefined) return;
  const { status, message } = outcome;
  log.error(
    { uid: cut(review.response.uid), peer, status, problem: cut(message), ...sample },
    'review failed',
  );
}

/** A pair that does not fit keeps the last good one serving. */
function renewCertificate(server: Server, next: ServingCertificate, log: Logger): void {
  try {
    server.setSecureContext({ minVersion: 'TLSv1.3', cert: next.certPem, key: next.keyPem });
    log.info('webhook serves a new certificate');
  } catch (thrown) {
    log.error(
      { err: MeshError.from(thrown) },
      'the new webhook certificate is unusable; the old one stays in use',
    );
  }
}

function closeOn(signal: AbortSignal, server: Server): void {
  const close = (): void => {
    server.close();
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), CLOSE_MS).unref();
  };
  if (signal.aborted) close();
  else signal.addEventListener('abort', close, { once: true });
}
