import { jittered, names, pause, type Logger, type Watched } from '../base/index.js';
import type { IssuerMaterial } from '../identity/index.js';
import {
  Resources,
  getObject,
  jsonPatchObject,
  type KubeClient,
  type WebhookConfiguration,
} from '../kube/index.js';
import { ownWebhooks } from './webhook-entries.js';

export interface WebhookCaOptions {
  readonly client: KubeClient;
  readonly revision: string;
  readonly issuer: Watched<IssuerMaterial | undefined>;
  readonly log: Logger;
}

/** What `caBundle` of the chart's entries has to be, where one has another; undefined where none has, or we have no roots yet. */
export function lackingCaBundle(
  { issuer, revision }: Pick<WebhookCaOptions, 'issuer' | 'revision'>,
  configuration: WebhookConfiguration,
): string | undefined {
  if (issuer.current === undefined) return undefined;
  const wanted = caBundleOf(issuer.current);
  const lacks = ownWebhooks(configuration, revision).some(({ caBundle }) => caBundle !== wanted);
  return lacks ? wanted : undefined;
}

/** Makes `caBundle` of each entry of the chart our roots, where it is not. True when it wrote. The chart never sets it. */
export async function setCaBundle(
  { client, revision, issuer, log }: WebhookCaOptions,
  configuration: WebhookConfiguration,
): Promise<boolean> {
  const wanted = lackingCaBundle({ issuer, revision }, configuration);
  if (wanted === undefined) return false;
  const { name } = configuration.metadata;
  const own = ownWebhooks(configuration, revision);
  const operations = configuration.webhooks.flatMap((webhook, index) =>
    webhook.caBundle === wanted || !own.includes(webhook)
      ? []
      : [
          // The list may have changed since we read it, and an index must not hit another entry.
          { op: 'test', path: `/webhooks/${index}/name`, value: webhook.name },
          { op: 'add', path: `/webhooks/${index}/clientConfig/caBundle`, value: wanted },
        ],
  );
  await jsonPatchObject(client, Resources.webhookConfiguration, { name }, operations);
  log.info({ configuration: name }, 'set the caBundle of the webhook configuration');
  return true;
}

export interface WebhookTrustOptions extends WebhookCaOptions {
  /** How long to wait for it at most. Default 30 s. */
  readonly limitMs?: number;
  /** How often to look. Default 250 ms. */
  readonly everyMs?: number;
}

/**
 * Waits until the API server can trust the webhook of this replica, which the leader sees to: a replica that were ready
 * before would have pods refused. Gives up after `limitMs`, because certificates and config are served without it.
 */
export async function untilWebhookTrusted(options: WebhookTrustOptions, signal: AbortSignal): Promise<void> {
  const { client, revision, issuer, log } = options;
  const name = names.revisionName(revision);
  const until = performance.now() + (options.limitMs ?? 30_000);
  const look = async (): Promise<boolean> => {
    const configuration = await getObject(client, Resources.webhookConfiguration, { name }, signal);
    const wanted = issuer.current === undefined ? undefined : caBundleOf(issuer.current);
    if (configuration === undefined) return false;
    return ownWebhooks(configuration, revision).every(({ caBundle }) => caBundle === wanted);
  };
  while (!(await look().catch(() => false))) {
    if (performance.now() >= until) {
      log.warn(`MutatingWebhookConfiguration ${name} does not trust our roots yet; no longer waiting for it`);
      return;
    }
    if (!(await pause(jittered(options.everyMs ?? 250, 0.2), signal))) return;
  }
}

function caBundleOf({ roots }: IssuerMaterial): string {
  return Buffer.from(roots).toString('base64');
}
