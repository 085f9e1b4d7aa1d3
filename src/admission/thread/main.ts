// The webhook's thread: bundled by itself, carried as text in the program, and started by `startWebhookThread`.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { MeshError, createLogger, watched, type Watched } from '../../base/index.js';
import { startWebhook, type CertificateSource, type ServingCertificate } from '../server.js';
import { BEAT_MS, type FromThread, type ThreadStart, type ToThread } from './messages.js';
import { Tally } from './tally.js';

if (isMainThread || parentPort === null) throw new MeshError('internal', 'this is the code of a thread');
const owner = parentPort;
const start = workerData as ThreadStart;
const tell = (message: FromThread): void => owner.postMessage(message);

/** Serves until it is told to stop; what fails ends the thread, and its owner hears of it. */
async function serve(): Promise<void> {
  const certificate = watched(start.certificate);
  const namespaces = new Map(start.namespaces);
  let { settings } = start;
  const stop = new AbortController();
  owner.on('message', (message: ToThread) => {
    switch (message.kind) {
      case 'certificate':
        certificate.set(message.certificate);
        break;
      case 'settings':
        settings = message.settings;
        break;
      case 'namespace':
        if (message.namespace === undefined) namespaces.delete(message.name);
        else namespaces.set(message.name, message.namespace);
        break;
      case 'stop':
        stop.abort();
    }
  });
  const tally = new Tally();
  const webhook = await startWebhook(
    {
      certificate: sourceOf(certificate),
      settings: () => settings,
      namespaceOf: (name) => namespaces.get(name),
      log: createLogger({ level: start.logLevel }),
      metrics: tally,
      listeners: tally.listeners,
      port: start.port,
      host: start.host,
    },
    stop.signal,
  );
  tell({ kind: 'listening', port: webhook.port });
  const beating = setInterval(() => tell({ kind: 'beat', counts: tally.take() }), BEAT_MS);
  await webhook.closed;
  clearInterval(beating);
  tell({ kind: 'beat', counts: tally.take() });
  owner.close();
}

function sourceOf(certificate: Watched<ServingCertificate>): CertificateSource {
  return {
    current: () => certificate.current,
    subscribe: (listener) => {
      const end = new AbortController();
      certificate.subscribe(listener, end.signal);
      return () => end.abort();
    },
  };
}

void serve();
