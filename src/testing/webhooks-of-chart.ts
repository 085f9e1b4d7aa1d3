import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';

/** An entry of a MutatingWebhookConfiguration. */
export interface WebhookOfChart {
  readonly name: string;
  readonly clientConfig: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

/** The webhook entries of the chart, as rendered into deploy/ with its default values, which CI checks to be current. */
export function webhooksOfChart(): readonly WebhookOfChart[] {
  const text = readFileSync(new URL('../../deploy/weft.yaml', import.meta.url), 'utf8');
  const found = parseAllDocuments(text)
    .map((document) => document.toJS() as { kind?: string; webhooks?: WebhookOfChart[] } | null)
    .find((manifest) => manifest?.kind === 'MutatingWebhookConfiguration');
  return found?.webhooks ?? [];
}
