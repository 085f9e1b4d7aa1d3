import { z } from 'zod';
import { MeshError, names } from '../base/index.js';
import { ISSUER_SECRET, proxyAbsence } from '../controller/index.js';
import {
  Resources,
  getObject,
  listObjects,
  resourcePath,
  type KubeClient,
  type Namespace,
} from '../kube/index.js';
import type { Page } from './page.js';

export interface CheckOptions {
  readonly client: KubeClient;
  readonly page: Page;
  readonly revision: string;
  /** Namespace of the control plane. */
  readonly systemNamespace: string;
}

/** What a check found. `fix` says what to do. */
export type Found =
  | { readonly kind: 'ok'; readonly detail: string }
  | { readonly kind: 'caution' | 'failed'; readonly detail: string; readonly fix: string };

type Check = (options: CheckOptions) => Promise<readonly Found[]>;

const CHECKS: readonly (readonly [string, Check])[] = [
  ['cluster', checkCluster],
  ['kinds', checkKinds],
  ['control plane', checkControlPlane],
  ['webhook', checkWebhook],
  ['namespaces', checkNamespaces],
  ['pods', checkPods],
];

/** Kubernetes 1.29 is the first that runs native sidecars without a feature gate. */
const OLDEST_MINOR = 29;

/** Looks at everything that has to be right before a mesh works. `ok` is false when one thing is not. */
export async function check(options: CheckOptions): Promise<{ readonly ok: boolean; readonly text: string }> {
  const lines: string[] = [];
  let ok = true;
  for (const [name, run] of CHECKS) {
    const found = await attempt(run, options);
    ok &&= found.every(({ kind }) => kind !== 'failed');
    for (const one of found) lines.push(...render(name, one, options.page));
    // Nothing can be said about a cluster that does not answer.
    if (name === 'cluster' && !ok) break;
  }
  lines.push('', ok ? options.page.good('Weft is in order.') : options.page.bad('Weft is not in order.'));
  return { ok, text: lines.join('\n') };
}

async function attempt(run: Check, options: CheckOptions): Promise<readonly Found[]> {
  try {
    return await run(options);
  } catch (thrown) {
    const error = MeshError.from(thrown);
    const fix =
      error.code === 'permission-denied'
        ? 'ask for the right to read this, or run it as an administrator'
        : 'see the message';
    return [{ kind: error.code === 'permission-denied' ? 'caution' : 'failed', detail: error.message, fix }];
  }
}

function render(name: string, found: Found, page: Page): readonly string[] {
  const mark = { ok: page.good('ok     '), caution: page.caution('caution'), failed: page.bad('failed ') }[
    found.kind
  ];
  const line = `${mark}  ${page.strong(name.padEnd(13))}  ${found.detail}`;
  return found.kind === 'ok' ? [line] : [line, `${' '.repeat(24)}${page.faint('->')} ${found.fix}`];
}

const version = z.object({ major: z.string(), minor: z.string(), gitVersion: z.string() });

async function checkCluster({ client }: CheckOptions): Promise<readonly Found[]> {
  const { major, minor, gitVersion } = version.parse(
    await client.request({ path: '/version', timeoutMs: 10_000 }),
  );
  const detail = `${client.server} runs Kubernetes ${gitVersion}`;
  const old = Number(major) === 1 && Number.parseInt(minor, 10) < OLDEST_MINOR;
  if (!old) return [{ kind: 'ok', detail }];
  const fix = `from 1.${OLDEST_MINOR} on proxies are native sidecars; before, init containers have no mesh and Jobs do not end by themselves`;
  return [{ kind: 'caution', detail, fix }];
}

const resourceList = z.object({ resources: z.array(z.object({ name: z.string() })) });

async function checkKinds({ client }: CheckOptions): Promise<readonly Found[]> {
  const group = `${names.API_GROUP}/${names.API_VERSION}`;
  const fix = 'install the chart weft-crds: helm install weft-crds charts/weft-crds';
  try {
    const { resources } = resourceList.parse(await client.request({ path: `/apis/${group}` }));
    const served = new Set(resources.map(({ name }) => name));
    const missing = [Resources.trafficPolicy, Resources.meshConfig].filter(
      ({ plural }) => !served.has(plural),
    );
    if (missing.length === 0) return [{ kind: 'ok', detail: `${group} is served` }];
    return [{ kind: 'failed', detail: `${group} has no ${missing.map(({ kind }) => kind).join(', ')}`, fix }];
  } catch (thrown) {
    if (MeshError.from(thrown).code !== 'not-found') throw thrown;
    return [{ kind: 'failed', detail: `the cluster does not know ${group}`, fix }];
  }
}

const deployment = z.object({
  spec: z.object({ replicas: z.number().default(1) }),
  status: z.object({ readyReplicas: z.number().default(0) }).prefault({}),
});

async function checkControlPlane({
  client,
  revision,
  systemNamespace,
}: CheckOptions): Promise<readonly Found[]> {
  const name = names.revisionName(revision);
  const at = { namespace: systemNamespace, name };
  const path = resourcePath({ apiVersion: 'apps/v1', plural: 'deployments' }, at);
  const label = `Deployment ${systemNamespace}/${name}`;
  try {
    const { spec, status } = deployment.parse(await client.request({ path }));
    const detail = `${label}: ${status.readyReplicas} of ${spec.replicas} ready`;
    if (status.readyReplicas >= spec.replicas && status.readyReplicas > 0) return [{ kind: 'ok', detail }];
    const fix = `see why: kubectl -n ${systemNamespace} describe pods, and GET /ready on port ${names.ControlPlanePort.health} says what is missing`;
    return [{ kind: status.readyReplicas === 0 ? 'failed' : 'caution', detail, fix }];
  } catch (thrown) {
    if (MeshError.from(thrown).code !== 'not-found') throw thrown;
    const fix = `install the chart: helm install weft charts/weft --namespace ${systemNamespace} --create-namespace`;
    return [{ kind: 'failed', detail: `${label} is not there`, fix }];
  }
}

async function checkWebhook({ client, revision, systemNamespace }: CheckOptions): Promise<readonly Found[]> {
  const name = names.revisionName(revision);
  const label = `MutatingWebhookConfiguration ${name}`;
  const configuration = await getObject(client, Resources.webhookConfiguration, { name });
  if (configuration === undefined) {
    return [
      {
        kind: 'failed',
        detail: `${label} is not there, so no pod gets a proxy`,
        fix: 'install the chart weft again',
      },
    ];
  }
  const issuer = await getObject(client, Resources.secret, {
    namespace: systemNamespace,
    name: ISSUER_SECRET,
  });
  const roots = Buffer.from(issuer?.data['ca.crt'] ?? '').toString('base64');
  const off = configuration.webhooks.filter((webhook) => webhook.caBundle !== roots);
  if (issuer !== undefined && off.length === 0) return [{ kind: 'ok', detail: `${label} trusts our issuer` }];
  const fix =
    'the operator sets caBundle within seconds; when it does not, look at the log of the replica that leads';
  const detail =
    issuer === undefined
      ? `Secret ${ISSUER_SECRET} is not there`
      : `${label}: caBundle is not our roots in ${off.length} entries`;
  return [{ kind: 'failed', detail, fix }];
}

async function checkNamespaces({ client }: CheckOptions): Promise<readonly Found[]> {
  const labelled = (await listObjects(client, Resources.namespace, {
    labelSelector: `${names.Label.inject}=enabled`,
  })) as readonly Namespace[];
  if (labelled.length === 0) {
    const fix = `kubectl label namespace NAME ${names.Label.inject}=enabled, then create its pods anew`;
    return [{ kind: 'caution', detail: 'no namespace has joined the mesh', fix }];
  }
  const found = await Promise.all(labelled.map((namespace) => checkNamespace(client, namespace)));
  const wrong = found.filter((one) => one.kind !== 'ok');
  return wrong.length > 0
    ? wrong
    : [
        {
          kind: 'ok',
          detail: `${labelled.length} joined: ${labelled.map(({ metadata }) => metadata.name).join(', ')}`,
        },
      ];
}

const POD_SECURITY = 'pod-security.kubernetes.io/enforce';

async function checkNamespace(client: KubeClient, { metadata }: Namespace): Promise<Found> {
  const standard = metadata.labels[POD_SECURITY];
  if (standard === 'baseline' || standard === 'restricted') {
    return {
      kind: 'failed',
      detail: `namespace ${metadata.name} enforces the pod security standard ${standard}, which refuses the init container (NET_ADMIN)`,
      fix: `set ${POD_SECURITY}=privileged on it, or take the namespace out of the mesh`,
    };
  }
  const trust = await getObject(client, Resources.configMap, {
    namespace: metadata.name,
    name: names.TRUST_CONFIG_MAP,
  });
  if (trust?.data[names.TRUST_BUNDLE_KEY] === undefined) {
    const detail = `namespace ${metadata.name} has no ConfigMap ${names.TRUST_CONFIG_MAP}, so its pods do not start`;
    return {
      kind: 'failed',
      detail,
      fix: 'the operator writes it within seconds; when it does not, look at the log of the replica that leads',
    };
  }
  return { kind: 'ok', detail: metadata.name };
}

async function checkPods({ client, revision, systemNamespace }: CheckOptions): Promise<readonly Found[]> {
  const [pods, namespaces] = await Promise.all([
    listObjects(client, Resources.pod),
    listObjects(client, Resources.namespace),
  ]);
  const labels = new Map(namespaces.map(({ metadata }) => [metadata.name, metadata.labels]));
  const without = pods.filter(
    (pod) =>
      pod.metadata.namespace !== systemNamespace &&
      proxyAbsence(pod, labels.get(pod.metadata.namespace) ?? {}, revision)?.kind === 'missing',
  );
  if (without.length === 0)
    return [{ kind: 'ok', detail: 'every selected pod has its proxy, or says why it has none' }];
  const some = without.slice(0, 3).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  const detail = `${without.length} pods should have a proxy and have none, such as ${some.join(', ')}`;
  return [
    {
      kind: 'caution',
      detail,
      fix: `create them anew (kubectl rollout restart), or opt out with ${names.Label.inject}=disabled`,
    },
  ];
}
