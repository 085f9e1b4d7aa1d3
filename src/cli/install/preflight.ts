import { Resources, listObjects, mayI, type Right } from '../../kube/index.js';
import { checkCluster } from '../check/cluster.js';
import { ok, type Check, type CheckOptions, type Found } from '../check/found.js';
import type { Plan } from './plan.js';
import { shortages } from './quota.js';

/** What is about to be done. */
export interface Intent {
  readonly plan: Plan;
  /** Pods that there will be at a time beyond those that there are. */
  readonly more: number;
}

/** What can be asked before anything is done: whether it would come to its end. */
export function preflight(intent: Intent): readonly (readonly [string, Check])[] {
  return [
    ['cluster', cluster],
    ['rights', (options) => rights(options, intent.plan)],
    ['room', (options) => room(options, intent)],
    ['other meshes', otherMeshes],
  ];
}

/** The chart does not take an older one, so that what is a caution later ends it here. */
async function cluster(options: CheckOptions): Promise<readonly Found[]> {
  return (await checkCluster(options)).map((found) =>
    found.kind === 'caution' ? { ...found, kind: 'failed' } : found,
  );
}

async function rights({ client, systemNamespace }: CheckOptions, { kinds }: Plan): Promise<readonly Found[]> {
  const asked = await Promise.all(
    kinds.map(async ({ resource, group, namespaced }) => {
      const right: Right = { namespace: namespaced ? systemNamespace : '', group, verb: 'create', resource };
      return { resource, allowed: await mayI(client, right) };
    }),
  );
  const lacking = asked.filter(({ allowed }) => !allowed).map(({ resource }) => resource);
  if (lacking.length === 0)
    return [ok(`you may create each of the ${kinds.length} kinds of objects that it takes`)];
  return [
    {
      kind: 'failed',
      code: 'WEFT931',
      detail: `you may not create ${lacking.join(', ')}`,
      fix: 'have an administrator of the cluster install Weft',
    },
  ];
}

/** Whether quotas let the pods of the control plane in. */
async function room({ client, systemNamespace }: CheckOptions, intent: Intent): Promise<readonly Found[]> {
  const found = await shortages(client, systemNamespace, intent);
  if (found.length === 0) return [ok(`no quota of namespace ${systemNamespace} keeps the control plane out`)];
  return found.map(({ detail, fix }) => ({
    kind: 'failed',
    code: 'WEFT933',
    detail: `namespace ${systemNamespace}: ${detail}`,
    fix,
  }));
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
