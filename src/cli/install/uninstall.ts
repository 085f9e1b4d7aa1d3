import { MeshError, names } from '../../base/index.js';
import { hasOurProxy, namesRevision, ownKinds } from '../../controller/index.js';
import { Resources, deleteObject, listObjects, orUndefined } from '../../kube/index.js';
import { ownControlPlane } from '../check/control-plane.js';
import type { CheckOptions } from '../check/found.js';
import { joinedNamespaces } from '../check/joined-namespaces.js';
import { RELEASE } from '../check/remedies.js';
import { findControlPlanes, revisionOf } from '../control-planes.js';
import { plural } from '../page.js';
import type { Helm } from './helm.js';
import type { Done } from './install.js';
import { CRDS_RELEASE, deploymentName, hasRelease, releaseOf } from './release.js';
import { deleteLastAccount, demandKeptAccount } from './service-account.js';

export interface UninstallOptions extends CheckOptions {
  readonly helm: Helm;
  /** Though namespaces are in the mesh. */
  readonly force: boolean;
  /** The definitions of kinds as well, and with them every object of theirs. */
  readonly purge: boolean;
  readonly dryRun: boolean;
  readonly progress: (line: string) => void;
}

const DEFINITION = { apiVersion: 'apiextensions.k8s.io/v1', plural: 'customresourcedefinitions' } as const;

/** Takes an installation away, the webhook first: nothing that is left keeps pods or namespaces from being made or deleted. */
export async function uninstall(options: UninstallOptions): Promise<Done> {
  const { revision, systemNamespace, progress, dryRun } = options;
  const release = await releaseToDelete(options);
  const counts = options.purge ? await countObjects(options) : [];
  const inMesh = await demandUnused(options);
  const would = dryRun ? 'Would delete' : 'Deletes';
  if (inMesh !== undefined) progress(`note: ${inMesh}`);
  if (release !== undefined)
    progress(
      `${would} MutatingWebhookConfiguration ${names.revisionName(revision)}, then release ${release} in namespace ${systemNamespace}`,
    );
  if (options.purge)
    progress(
      [`${would} the definitions of ${plural(ownKinds().length, 'kind')}, and with them`, ...counts].join(
        '\n',
      ),
    );
  if (dryRun) return { ok: true, text: 'Nothing was changed.' };
  if (release !== undefined) await deleteRelease(options, release);
  if (options.purge) await purge(options);
  await deleteLastAccount(options);
  return {
    ok: true,
    text: [release === undefined ? 'Purged.' : 'Uninstalled.', ...(await left(options))].join('\n'),
  };
}

/**
 * The release of the installation that is meant. Undefined: there is none, and only what was left behind is to be purged. Throws where it is
 * elsewhere, or where Helm would not take it away, before anything is touched: the webhook and the kinds belong to the whole cluster.
 */
async function releaseToDelete(options: UninstallOptions): Promise<string | undefined> {
  const { client, helm, revision, systemNamespace, purge: purges } = options;
  const all = await findControlPlanes(client);
  const elsewhere = all.find((one) => one.metadata.namespace !== systemNamespace);
  if (elsewhere !== undefined)
    throw new MeshError(
      'precondition',
      `Weft runs in namespace ${elsewhere.metadata.namespace}, not in ${systemNamespace}: give --system-namespace ${elsewhere.metadata.namespace}`,
    );
  const own = all.find((one) => revisionOf(one) === revision);
  const release = releaseOf(options, own);
  const known = await hasRelease(helm, release, options);
  if (own !== undefined && (!known || own.metadata.annotations[RELEASE] === undefined))
    throw new MeshError('precondition', notHelms(options));
  if (known) {
    await demandKeptAccount(options, release);
    return release;
  }
  if (purges) return undefined;
  const there = all.length === 0 ? '' : `; there is: ${all.map(revisionOf).join(', ')}`;
  throw new MeshError(
    'not-found',
    `revision ${revision} is not installed in namespace ${systemNamespace}: there is neither ${deploymentName(options)} nor a Helm release ${release}${there}`,
  );
}

function notHelms(place: UninstallOptions): string {
  const webhook = names.revisionName(place.revision);
  return `${deploymentName(place)} belongs to no Helm release in namespace ${place.systemNamespace}, so it was applied by other means; delete it by those, the webhook first: kubectl delete mutatingwebhookconfiguration ${webhook}, then kubectl delete -f deploy/weft.yaml, or what else was applied; not the definitions of kinds, with which every policy goes`;
}

async function deleteRelease(options: UninstallOptions, release: string): Promise<void> {
  const { client, helm, revision, systemNamespace } = options;
  await deleteObject(client, Resources.webhookConfiguration, { name: names.revisionName(revision) });
  await helm(['uninstall', release, '--namespace', systemNamespace, '--wait', '--ignore-not-found']);
  if ((await ownControlPlane(options)) !== undefined)
    throw new MeshError(
      'precondition',
      `${deploymentName(options)} is there still, though Helm has ended release ${release}: kubectl describe says what keeps it`,
    );
}

/** What is not gone, a line each. */
async function left({
  client,
  purge: purged,
  systemNamespace,
}: UninstallOptions): Promise<readonly string[]> {
  const others = (await findControlPlanes(client)).map(revisionOf);
  return [
    ...(purged
      ? []
      : ['The kinds of Weft and your policies are there still; weft uninstall --purge deletes them.']),
    others.length > 0
      ? `Root, issuer and ServiceAccount weft stay in namespace ${systemNamespace}, for revision ${others.join(', ')}.`
      : `Root and issuer stay in namespace ${systemNamespace}, for an installation that comes after: deleting the namespace deletes them.`,
  ];
}

/** Throws where somebody would lose the mesh, and says who where that is forced. */
async function demandUnused(options: UninstallOptions): Promise<string | undefined> {
  const inMesh = await stillInMesh(options);
  if (inMesh === undefined || options.force) return inMesh;
  throw new MeshError(
    'precondition',
    `${inMesh}; take them out of the mesh first (kubectl label namespace NAME ${names.Label.inject}-, and restart the workloads), or give --force: their proxies then go on with what they know until their certificates end, within a day`,
  );
}

/** Who would lose the mesh; undefined: nobody. Pods in namespaces of another revision have the other control plane. */
async function stillInMesh(options: UninstallOptions): Promise<string | undefined> {
  const { client, revision } = options;
  const joined = (await joinedNamespaces(options)).map(({ metadata }) => metadata.name).sort();
  const namespaces = await listObjects(client, Resources.namespace);
  const own = new Set(
    namespaces
      .filter(({ metadata }) => namesRevision(metadata.labels, revision))
      .map(({ metadata }) => metadata.name),
  );
  const pods = (await listObjects(client, Resources.pod)).filter(
    (pod) => own.has(pod.metadata.namespace) && hasOurProxy(pod),
  );
  if (joined.length === 0 && pods.length === 0) return undefined;
  const shown = joined.slice(0, 5).join(', ');
  const which = joined.length === 0 ? '' : ` (${shown}${joined.length > 5 ? ', ...' : ''})`;
  const have = pods.length === 1 ? 'has' : 'have';
  return `${plural(joined.length, 'namespace')}${which} joined the mesh of revision ${revision}, and ${plural(pods.length, 'pod')} of it ${have} a proxy`;
}

/** Lines of how many objects of each kind there are, which go with it. */
async function countObjects({ client, revision }: UninstallOptions): Promise<readonly string[]> {
  const others = (await findControlPlanes(client)).map(revisionOf).filter((one) => one !== revision);
  if (others.length > 0)
    throw new MeshError(
      'precondition',
      `revision ${others.join(', ')} needs the kinds of Weft; uninstall it first, or leave out --purge`,
    );
  const lines = await Promise.all(
    ownKinds().map(async ({ resource }) => {
      const found = (await orUndefined(listObjects(client, resource))) ?? [];
      const some = found
        .slice(0, 3)
        .map(({ metadata }) => [metadata.namespace, metadata.name].filter(Boolean).join('/'));
      return `  ${resource.kind}: ${found.length}${found.length === 0 ? '' : `, such as ${some.join(', ')}`}`;
    }),
  );
  return lines;
}

async function purge({ client, helm, systemNamespace }: UninstallOptions): Promise<void> {
  // Helm keeps the definitions, as the chart says: a release that is deleted by mistake must not take everybody's policies.
  await helm(['uninstall', CRDS_RELEASE, '--namespace', systemNamespace, '--ignore-not-found']);
  for (const { resource } of ownKinds()) {
    const path = `/apis/${DEFINITION.apiVersion}/${DEFINITION.plural}/${resource.plural}.${names.API_GROUP}`;
    await orUndefined(client.request({ method: 'DELETE', path }));
  }
}
