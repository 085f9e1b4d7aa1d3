import { certificateBlocks, names } from '../../base/index.js';
import { ISSUER_SECRET } from '../../controller/index.js';
import { Resources, getObject, type Namespace } from '../../kube/index.js';
import { Kinds, readList } from '../read-list.js';
import { ownControlPlane } from './control-plane.js';
import { ok, type CheckOptions, type Found } from './found.js';
import { proxyResources, variableOf, type ProxyResources } from './proxy-resources.js';
import { joinedNamespaces } from './joined-namespaces.js';
import { annotateNamespace, joinNamespace, leadersLog } from './remedies.js';
import { limitRange, refusals, resourceQuota } from './room.js';

/** Whether pods of the namespaces that joined can be created and can start. */
export async function checkNamespaces(options: CheckOptions): Promise<readonly Found[]> {
  const labelled = await joinedNamespaces(options);
  if (labelled.length === 0) {
    const fix = 'label one, then recreate its pods';
    const commands = [joinNamespace('NAME', options.revision)];
    return [{ kind: 'caution', code: 'WEFT912', detail: 'no namespace has joined the mesh', fix, commands }];
  }
  const own = await ownControlPlane(options);
  const issuer = await getObject(options.client, Resources.secret, {
    namespace: options.systemNamespace,
    name: ISSUER_SECRET,
  });
  const mesh: Mesh = {
    resources: proxyResources(own),
    roots: issuer?.data['ca.crt'],
    isCapturedByNode: variableOf(own, 'WEFT_CAPTURE') === 'CNI',
  };
  const found = await Promise.all(labelled.map((namespace) => checkNamespace(options, namespace, mesh)));
  const wrong = found.flat();
  if (wrong.length > 0) return wrong;
  return [ok(`${labelled.length} joined: ${labelled.map(({ metadata }) => metadata.name).join(', ')}`)];
}

/** What every namespace is held against. */
interface Mesh {
  readonly resources: ProxyResources;
  /** PEM of the roots that proxies must trust; undefined where there is no issuer. */
  readonly roots: string | undefined;
  /** Whether pods get their rules from the CNI plugin, and need no capability. */
  readonly isCapturedByNode: boolean;
}

async function checkNamespace(
  options: CheckOptions,
  namespace: Namespace,
  mesh: Mesh,
): Promise<readonly Found[]> {
  return [
    ...(mesh.isCapturedByNode ? [] : checkPodSecurity(namespace)),
    ...(await checkBundle(options, namespace, mesh.roots)),
    ...(await checkRoom(options, namespace, mesh.resources)),
  ];
}

const POD_SECURITY = 'pod-security.kubernetes.io/enforce';

function checkPodSecurity({ metadata }: Namespace): readonly Found[] {
  const standard = metadata.labels[POD_SECURITY];
  if (standard !== 'baseline' && standard !== 'restricted') return [];
  return [
    {
      kind: 'failed',
      code: 'WEFT615',
      detail: `namespace ${metadata.name} enforces the pod security standard ${standard}, which refuses the init container (NET_ADMIN)`,
      fix: 'install the CNI plugin (docs/cni.md), let the namespace enforce privileged, or take it out of the mesh',
      commands: [`kubectl label namespace ${metadata.name} --overwrite ${POD_SECURITY}=privileged`],
    },
  ];
}

async function checkBundle(
  { client, systemNamespace, revision }: CheckOptions,
  { metadata }: Namespace,
  roots: string | undefined,
): Promise<readonly Found[]> {
  const { TRUST_CONFIG_MAP, TRUST_BUNDLE_KEY } = names;
  const at = { namespace: metadata.name, name: TRUST_CONFIG_MAP };
  const bundle = (await getObject(client, Resources.configMap, at))?.data[TRUST_BUNDLE_KEY];
  // Former roots stay in it for a day after their last use.
  if (bundle !== undefined && (roots === undefined || holdsAll(bundle, roots))) return [];
  const detail =
    bundle === undefined
      ? `namespace ${metadata.name} has no ConfigMap ${TRUST_CONFIG_MAP}, so its pods do not start`
      : `namespace ${metadata.name}: ConfigMap ${TRUST_CONFIG_MAP} does not hold the roots of Secret ${ISSUER_SECRET}, so its proxies will refuse the rest of the mesh`;
  return [
    {
      kind: 'failed',
      code: 'WEFT913',
      detail,
      fix: 'the leader writes it within minutes; if it does not, see its log',
      commands: [leadersLog(systemNamespace, revision)],
    },
  ];
}

/** Whether every certificate of the second PEM text is in the first. */
function holdsAll(bundle: string, roots: string): boolean {
  const certificates = (pem: string): string[] =>
    certificateBlocks(pem).map((one) => one.replaceAll(/\s/g, ''));
  const held = new Set(certificates(bundle));
  return certificates(roots).every((one) => held.has(one));
}

/** Whether quotas and limit ranges leave room for a proxy in each pod. */
async function checkRoom(
  { client }: CheckOptions,
  { metadata }: Namespace,
  defaults: ProxyResources,
): Promise<readonly Found[]> {
  const at = { namespace: metadata.name };
  const [quotas, ranges] = await Promise.all([
    readList(client, Kinds.resourceQuota, resourceQuota, at),
    readList(client, Kinds.limitRange, limitRange, at),
  ]);
  const found = refusals({ defaults, annotations: metadata.annotations, quotas, ranges });
  return found.map(({ detail, annotations }) => ({
    kind: 'failed',
    code: 'WEFT914',
    detail: `namespace ${metadata.name}: ${detail}, so its pods are refused`,
    fix: 'give the proxies in the namespace resources that fit, or set proxy.resources in the values of the chart weft',
    commands: [annotateNamespace(metadata.name, annotations)],
  }));
}
