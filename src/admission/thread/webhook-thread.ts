import { Worker } from 'node:worker_threads';
import { MeshError, Pulse, names, type LogLevel, type Looks, type Watched } from '../../base/index.js';
import type { ListenerMetrics } from '../../base/listener/index.js';
import type { InjectionSettings, Namespace } from '../inject/index.js';
import type { ReviewMetrics } from '../review-metrics.js';
import type { CertificateSource, RunningWebhook } from '../server.js';
import { BEAT_MS, type FromThread, type ThreadStart, type ToThread } from './messages.js';
import type { Counts } from './tally.js';

export interface WebhookThreadOptions {
  /** The thread's program, a script. */
  readonly code: string;
  readonly certificate: CertificateSource;
  readonly settings: Watched<InjectionSettings>;
  readonly namespaces: NamespaceSource;
  readonly logLevel: LogLevel;
  readonly metrics: ReviewMetrics;
  readonly listeners: ListenerMetrics;
  /** The thread has ended by itself, or hangs: without it no pod is admitted. */
  readonly failed: (thrown: unknown) => void;
  /** Default: silent after 10 s, dead after a minute. */
  readonly looks?: Looks;
  /** Default 9443; 0 takes any free port. */
  readonly port?: number;
  /** Default `::`, which is IPv4 too. */
  readonly host?: string;
}

/** Namespaces that come and go while we serve. */
export interface NamespaceSource {
  all(): readonly (readonly [name: string, Namespace])[];
  /** Calls `listener` with each that changes, undefined: it was deleted; the returned function ends that. */
  subscribe(listener: (name: string, namespace: Namespace | undefined) => void): () => void;
}

export interface WebhookThread extends RunningWebhook {
  /** Whether the thread has said something of late. */
  readonly answers: () => boolean;
}

const LOOKS: Looks = { everyMs: BEAT_MS, unready: 10, dead: 60 };

/**
 * Serves admission reviews from a thread of its own, so that the operating system and not the event loop shares the
 * processor out between a review and a storm of proxies. Resolves once it listens.
 */
export async function startWebhookThread(
  options: WebhookThreadOptions,
  signal: AbortSignal,
): Promise<WebhookThread> {
  const { code, certificate, settings, namespaces, logLevel, failed } = options;
  const start: ThreadStart = {
    port: options.port ?? names.ControlPlanePort.webhook,
    host: options.host ?? '::',
    logLevel,
    certificate: certificate.current(),
    settings: settings.current,
    namespaces: namespaces.all(),
  };
  const worker = new Worker(code, { eval: true, name: 'webhook', workerData: start });
  const tell = (message: ToThread): void => worker.postMessage(message);
  const ended = new AbortController();
  const endings = [
    certificate.subscribe((next) => tell({ kind: 'certificate', certificate: next })),
    namespaces.subscribe((name, namespace) => tell({ kind: 'namespace', name, namespace })),
    () => ended.abort(),
  ];
  settings.subscribe((next) => tell({ kind: 'settings', settings: next }), ended.signal);
  const pulse = new Pulse(options.looks ?? LOOKS, {
    dead: () => failed(new MeshError('internal', 'the thread of the webhook hangs')),
  });
  const count = counter(options);
  const { promise: listening, resolve: listens, reject: refused } = Promise.withResolvers<number>();
  worker.on('message', (message: FromThread) => {
    if (message.kind === 'listening') {
      listens(message.port);
      pulse.start();
    } else {
      pulse.beat();
      count(message.counts);
    }
  });
  worker.on('error', refused);
  const closed = new Promise<void>((resolve) => {
    worker.once('exit', () => {
      refused(new MeshError('internal', 'the thread of the webhook has ended'));
      for (const end of endings) end();
      pulse.stop();
      resolve();
    });
  });
  const stop = (): void => tell({ kind: 'stop' });
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  const port = await listening;
  worker.on('error', failed);
  worker.once('exit', () => {
    if (!signal.aborted) failed(new MeshError('internal', 'the thread of the webhook has ended'));
  });
  return { port, closed, answers: () => pulse.isHeard };
}

/** Enters into the metrics of this thread what the other has counted. */
function counter({ metrics, listeners }: WebhookThreadOptions): (counts: Counts) => void {
  let open = 0;
  listeners.watch('webhook', () => open);
  return ({ answered, skipped, refused, connections }) => {
    open = connections;
    for (const { outcome, milliseconds } of answered) metrics.answered(outcome, milliseconds);
    for (const [code, times] of skipped) for (let n = 0; n < times; n++) metrics.skipped(code);
    for (const { times, ...labels } of refused) listeners.refused.inc(labels, times);
  };
}
