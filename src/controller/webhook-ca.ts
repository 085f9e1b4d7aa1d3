import { MeshError, jittered, names, pause, type Logger, type Watched } from '../base/index.js';
import type { IssuerMaterial } from '../identity/index.js';
import { Resources, getObject, jsonPatchObject, type KubeClient } from '../kube/index.js';

export interface WebhookCaOptions {
  readonly client: KubeClient;
  readonly revision: string;
  readonly issuer: Watched<IssuerMaterial | undefined>;
  readonly log: Logger;
  /** How often to look whether somebody changed it. Default 10 s. */
  readonly everyMs?: number;
}

/** Keeps `caBundle` of the webhook configuration equal to our roots, until the signal aborts. The chart never sets it. */
export async function keepWebhookCa(options: WebhookCaOptions, signal: AbortSignal): Promise<void> {
  let wake = new AbortController();
  let complaint = '';
  options.issuer.subscribe(() => wake.abort(), signal);
  while (!signal.aborted) {
    wake = new AbortController();
    const problem = await ensureWebhookCa(options, signal).then(() => '', messageOf);
    if (problem !== '' && problem !== complaint)
      options.log.warn({ problem }, 'cannot set the caBundle of the webhook yet');
    complaint = problem;
    const waitMs = problem === '' ? jittered(options.everyMs ?? 10_000, 0.2) : 1_000;
    await pause(waitMs, AbortSignal.any([signal, wake.signal]));
  }
}

function messageOf(thrown: unknown): string {
  return MeshError.from(thrown).message;
}

/** Looks once and writes where it differs. True when it wrote. Exported for tests. */
export async function ensureWebhookCa(options: WebhookCaOptions, signal: AbortSignal): Promise<boolean> {
  const { client, revision, issuer, log } = options;
  const roots = issuer.current?.roots;
  if (roots === undefined) return false;
  const name = names.revisionName(revision);
  const configuration = await getObject(client, Resources.webhookConfiguration, { name }, signal);
  if (configuration === undefined) {
    throw new MeshError(
      'unavailable',
      `MutatingWebhookConfiguration ${name} is not there; install the chart again`,
    );
  }
  const wanted = Buffer.from(roots).toString('base64');
  const operations = configuration.webhooks.flatMap((webhook, index) =>
    webhook.caBundle === wanted
      ? []
      : [
          // The list may have changed since we read it, and an index must not hit another entry.
          { op: 'test', path: `/webhooks/${index}/name`, value: webhook.name },
          { op: 'add', path: `/webhooks/${index}/clientConfig/caBundle`, value: wanted },
        ],
  );
  if (operations.length === 0) return false;
  await jsonPatchObject(client, Resources.webhookConfiguration, { name }, operations);
  log.info({ configuration: name }, 'set the caBundle of the webhook configuration');
  return true;
}
