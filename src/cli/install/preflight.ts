import { z } from 'zod';
import { quantityAmount } from '../../base/index.js';
import { Resources, listObjects, mayI, type Right } from '../../kube/index.js';

import { checkCluster } from '../check/cluster.js';
import { ok, type Check, type CheckOptions, type Found } from '../check/found.js';
import { plural } from '../page.js';
import { Kinds, readList } from '../read-list.js';

/** What can be asked before there is anything: whether an installation would come to its end. */
export const PREFLIGHT: readonly (readonly [string, Check])[] = [
  ['cluster', cluster],
  ['rights', rights],
  ['room', room],
  ['other meshes', otherMeshes],
];

/** The chart does not take an older one, so that what is a caution later ends it here. */
async function cluster(options: CheckOptions): Promise<readonly Found[]> {
  return (await checkCluster(options)).map((found) =>
    found.kind === 'caution' ? { ...found, kind: 'failed' } : found,
  );
}

const RBAC = 'rbac.authorization.k8s.io';
const ADMISSION = 'admissionregistration.k8s.io';

/** What the charts make, with the group of each. */
const MADE: readonly (readonly [resource: string, group: string, namespaced: boolean])[] = [
  ['customresourcedefinitions', 'apiextensions.k8s.io', false],
  ['clusterroles', RBAC, false],
  ['clusterrolebindings', RBAC, false],
  ['mutatingwebhookconfigurations', ADMISSION, false],
  ['validatingadmissionpolicies', ADMISSION, false],
  ['deployments', 'apps', true],
  ['secrets', '', true],
  ['serviceaccounts', '', true],
  ['roles', RBAC, true],
];

async function rights({ client, systemNamespace }: CheckOptions): Promise<readonly Found[]> {
  const asked = await Promise.all(
    MADE.map(async ([resource, group, namespaced]) => {
      const right: Right = { namespace: namespaced ? systemNamespace : '', group, verb: 'create', resource };
      return { resource, allowed: await mayI(client, right) };
    }),
  );
  const lacking = asked.filter(({ allowed }) => !allowed).map(({ resource }) => resource);
  if (lacking.length === 0) return [ok('you may create everything that the charts hold')];
  return [
    {
      kind: 'failed',
      code: 'WEFT931',
      detail: `you may not create ${lacking.join(', ')}`,
      fix: 'have an administrator of the cluster install Weft',
    },
  ];
}

const quota = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    hard: z.record(z.string(), z.string()).default({}),
    scopeSelector: z.unknown().optional(),
  }),
  status: z.object({ used: z.record(z.string(), z.string()).default({}) }).prefault({}),
});

/** As many as the chart has by default. */
const REPLICAS = 2;

/** Whether quotas let the pods of the control plane in, as the chart has them by default. */
async function room({ client, systemNamespace }: CheckOptions): Promise<readonly Found[]> {
  const quotas = await readList(client, Kinds.resourceQuota, quota, { namespace: systemNamespace });
  const wrong = quotas.filter(({ spec }) => spec.scopeSelector === undefined).flatMap(problemsOf);
  if (wrong.length === 0) return [ok(`no quota of namespace ${systemNamespace} keeps the control plane out`)];
  return wrong.map((detail) => ({
    kind: 'failed',
    code: 'WEFT933',
    detail: `namespace ${systemNamespace}: ${detail}`,
    fix: 'change the quota, or give the control plane resources that fit: --set resources.limits.cpu=1',
  }));
}

function problemsOf({
  metadata: { name },
  spec: { hard },
  status: { used },
}: z.infer<typeof quota>): readonly string[] {
  const pods = hard['pods'] ?? hard['count/pods'];
  const left =
    pods === undefined
      ? REPLICAS
      : quantityAmount(pods) - quantityAmount(used['pods'] ?? used['count/pods'] ?? '0');
  return [
    ...(hard['limits.cpu'] === undefined
      ? []
      : [`ResourceQuota ${name} counts limits.cpu, and the control plane has no CPU limit`]),
    ...(left < REPLICAS
      ? [
          `ResourceQuota ${name} has room for ${plural(Math.max(0, left), 'more pod')}, and the control plane has ${REPLICAS}`,
        ]
      : []),
  ];
}

/** Names that webhooks of other meshes have. */
const OTHERS = /istio|linkerd|kuma|consul-connect|osm-webhook/;

async function otherMeshes({ client }: CheckOptions): Promise<readonly Found[]> {
  const all = await listObjects(client, Resources.webhookConfiguration);
  const others = all.map(({ metadata }) => metadata.name).filter((name) => OTHERS.test(name));
  if (others.length === 0) return [ok('no other mesh injects into pods')];
  return [
    {
      kind: 'caution',
      code: 'WEFT932',
      detail: `another mesh injects into pods: MutatingWebhookConfiguration ${others.join(', ')}`,
      fix: 'let each namespace join one mesh only',
    },
  ];
}
