import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import express, { type ErrorRequestHandler, type Express } from 'express';
import { MeshError, names, type Logger, type Metrics } from '../base/index.js';
import { injectionHandler, type InjectionSettings, type NamespaceLookup } from './inject/index.js';
import { reviewMetrics, type ReviewMetrics } from './review-metrics.js';
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
  readonly metrics: Metrics;
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

/** A pod can be 1.5 MB in etcd, and a review carries it twice as JSON: the limit that controller-runtime argues for. */
const BODY_LIMIT = '7mb';

/** Below the 5 s of the webhook configuration, so that the API server gets a reason and not a cut connection. */
const DEADLINE_MS = 4_000;

/** The API server keeps connections open; ours outlive its idle ones, so that it never writes into a closed one. */
const KEEP_ALIVE_MS = 120_000;
const HEADERS_MS = 10_000;
const REQUEST_MS = 15_000;
/** Whoever opens a connection and says nothing is sent away; Node's default is two minutes. */
const HANDSHAKE_MS = 10_000;

/** How long answers under way may take after the signal. */
const CLOSE_MS = 5_000;

/** Serves admission reviews over TLS 1.3 at `POST /inject` until the signal aborts. Resolves once it listens. */
export async function startWebhook(options: WebhookOptions, signal: AbortSignal): Promise<RunningWebhook> {
  const log = options.log.child({ room: 'admission' });
  const metrics = reviewMetrics(options.metrics);
  const handler = injectionHandler({ ...options, log, skipped: metrics.skipped });
  const { certPem, keyPem } = options.certificate.current();
  const app = webhookApp({ '/inject': handler }, metrics, log);
  const server = createServer(
    { minVersion: 'TLSv1.3', cert: certPem, key: keyPem, handshakeTimeout: HANDSHAKE_MS },
    app,
  );
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.headersTimeout = HEADERS_MS;
  server.requestTimeout = REQUEST_MS;
  const unsubscribe = options.certificate.subscribe((next) => {
    renewCertificate(server, next, log);
  });
  // Not `once`, which would also reject, unheard, when the port cannot be opened.
  const closed = new Promise<void>((resolve) => server.once('close', resolve)).then(unsubscribe);
  server.listen(options.port ?? names.ControlPlanePort.webhook, options.host ?? '::');
  await once(server, 'listening');
  closeOn(signal, server);
  const port = portOf(server);
  log.info({ port }, 'webhook listens');
  return { port, closed };
}

/** The express application: one review handler for each path. */
export function webhookApp(
  handlers: Readonly<Record<string, Handler>>,
  metrics: ReviewMetrics,
  log: Logger,
): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(express.json({ limit: BODY_LIMIT, type: () => true, strict: false, inflate: false }));
  for (const [path, handler] of Object.entries(handlers)) {
    app.post(path, async (request, response) => {
      const started = performance.now();
      const answer = await answerReview(request.body, handler, DEADLINE_MS);
      metrics.answered(answer.outcome, performance.now() - started);
      noteFailure(answer, log);
      response.json(answer.review);
    });
  }
  app.use(unreadable(metrics, log));
  return app;
}

/** What the body parser throws: no JSON, too long, cut short. */
function unreadable(metrics: ReviewMetrics, log: Logger): ErrorRequestHandler {
  return (thrown: unknown, _request, response, _next) => {
    const status = statusOf(thrown);
    const answer = answerUnreadable(status, `the body cannot be read: ${MeshError.from(thrown).message}`);
    metrics.answered(answer.outcome, 0);
    noteFailure(answer, log);
    response.status(status).json(answer.review);
  };
}

function statusOf(thrown: unknown): number {
  const status =
    typeof thrown === 'object' && thrown !== null && 'status' in thrown ? thrown.status : undefined;
  return typeof status === 'number' ? status : 400;
}

function noteFailure({ outcome, review }: Answer, log: Logger): void {
  if (outcome.kind !== 'errored') return;
  log.error({ uid: review.response.uid, status: outcome.status, problem: outcome.message }, 'review failed');
}

/** A pair that does not fit keeps the last good one serving. */
function renewCertificate(server: Server, next: ServingCertificate, log: Logger): void {
  try {
    server.setSecureContext({ minVersion: 'TLSv1.3', cert: next.certPem, key: next.keyPem });
    log.info('webhook serves a new certificate');
  } catch (thrown) {
    log.error({ err: MeshError.from(thrown) }, 'the new webhook certificate is unusable, the old one stays');
  }
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
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
