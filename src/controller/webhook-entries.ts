import { names } from '../base/index.js';
import type { WebhookConfiguration, WebhookEntry } from '../kube/index.js';

/** Namespaces that no entry of the webhook configuration selects, beside that of the control plane. */
export const NEVER_INJECTED: readonly string[] = [
  'kube-system',
  'kube-public',
  'kube-node-lease',
  names.SYSTEM_NAMESPACE,
];

export interface WebhookOwner {
  readonly revision: string;
  readonly systemNamespace: string;
}

/** What the chart writes, but for `caBundle`: a test compares the two. */
export function webhookEntries(owner: WebhookOwner): readonly Omit<WebhookEntry, 'caBundle'>[] {
  const ways = [
    { name: 'namespace.revision', named: true, byPod: false },
    { name: 'pod.revision', named: true, byPod: true },
    { name: 'namespace', named: false, byPod: false },
    { name: 'pod', named: false, byPod: true },
  ];
  return ways.filter(({ named }) => named || owner.revision === 'default').map((way) => entry(way, owner));
}

function entry(
  { name, named, byPod }: { readonly name: string; readonly named: boolean; readonly byPod: boolean },
  { revision, systemNamespace }: WebhookOwner,
): Omit<WebhookEntry, 'caBundle'> {
  const { inject, rev } = names.Label;
  const never = [...new Set([...NEVER_INJECTED, systemNamespace])].sort().join(', ');
  return {
    name: `${name}.inject.weft.dev`,
    asks: { namespace: systemNamespace, name: names.revisionName(revision), path: '/inject', port: 443 },
    failurePolicy: 'Fail',
    asksAboutNewPods: true,
    asksAboutMore: [],
    hasMatchConditions: false,
    namespaceSelector: [
      `kubernetes.io/metadata.name NotIn [${never}]`,
      named ? `${rev} In [${revision}]` : `${rev} DoesNotExist`,
      byPod ? `${inject} DoesNotExist` : `${inject} In [enabled]`,
    ],
    objectSelector: [byPod ? `${inject} In [enabled]` : `${inject} NotIn [disabled]`],
  };
}

/** Entries that the chart writes, in a configuration that may have others: those belong to whoever added them. */
export function ownWebhooks(configuration: WebhookConfiguration, revision: string): readonly WebhookEntry[] {
  const own = new Set(ownNames(revision));
  return configuration.webhooks.filter(({ name }) => own.has(name));
}

function ownNames(revision: string): readonly string[] {
  return webhookEntries({ revision, systemNamespace: names.SYSTEM_NAMESPACE }).map(({ name }) => name);
}

/** How a webhook configuration differs from what the chart writes, so that pods are asked about that should not be, or are not. */
export function webhookDeviations(
  configuration: WebhookConfiguration,
  owner: WebhookOwner,
): readonly string[] {
  const there = new Map(configuration.webhooks.map((webhook) => [webhook.name, webhook]));
  const deviations = webhookEntries(owner).flatMap((wanted) => {
    const found = there.get(wanted.name);
    there.delete(wanted.name);
    if (found === undefined) return [`the entry ${wanted.name} is missing`];
    return deviationsOf(found, wanted).map((what) => `${wanted.name}: ${what}`);
  });
  return [...deviations, ...[...there.keys()].map((name) => `the chart has no entry ${name}`)];
}

function deviationsOf(found: WebhookEntry, wanted: Omit<WebhookEntry, 'caBundle'>): readonly string[] {
  const { failurePolicy, asksAboutNewPods, asksAboutMore, hasMatchConditions, asks } = found;
  return [
    ...selectorDeviations('namespaceSelector', found, wanted),
    ...selectorDeviations('objectSelector', found, wanted),
    ...(failurePolicy === wanted.failurePolicy
      ? []
      : [
          `failurePolicy is ${failurePolicy}, which lets pods start without a proxy while no replica answers`,
        ]),
    ...(asksAboutNewPods ? [] : ['rules do not name new pods (CREATE of pods)']),
    ...asksAboutMore.map((rule) => `rules also name ${rule}`),
    ...(hasMatchConditions ? ['matchConditions leave pods out'] : []),
    ...(placeOf(asks) === placeOf(wanted.asks) ? [] : [`clientConfig asks ${placeOf(asks)}`]),
  ];
}

function selectorDeviations(
  field: 'namespaceSelector' | 'objectSelector',
  found: WebhookEntry,
  wanted: Omit<WebhookEntry, 'caBundle'>,
): readonly string[] {
  const lacking = wanted[field].filter((requirement) => !found[field].includes(requirement));
  const added = found[field].filter((requirement) => !wanted[field].includes(requirement));
  return [
    ...lacking.map((requirement) => `${field} lacks ${requirement}`),
    ...added.map((requirement) => `${field} also demands ${requirement}`),
  ];
}

function placeOf(asks: WebhookEntry['asks']): string {
  if (asks === undefined) return 'no Service';
  // The API server fills in the port.
  return `Service ${asks.namespace}/${asks.name}, port ${asks.port ?? 443}, path ${asks.path ?? '/'}`;
}
