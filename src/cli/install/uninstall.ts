import { MeshError, names } from '../../base/index.js';
import { hasOurProxy, namesRevision, ownKinds } from '../../controller/index.js';
import { Resources, deleteObject, listObjects, orUndefined } from '../../kube/index.js';
import { ownControlPlane } from '../check/control-plane.js';
import type { CheckOptions } from '../check/found.js';
import { joinedNamespaces } from '../check/joined-namespaces.js';
import { findControlPlanes, revisionOf } from '../control-planes.js';
import { plural } from '../page.js';
import type { Helm } from './helm.js';
import type { Done } from './install.js';
import { CRDS_RELEASE, releaseOf } from './release.js';

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
  const { client, helm, revision, systemNamespace, progress, dryRun } = options;
  const own = await ownControlPlane(options);
  const counts = options.purge ? await countObjects(options) : [];
  const inMesh = await stillInMesh(options);
  if (inMesh !== undefined && !options.force)
    throw new MeshError(
      'precondition',
      `${inMesh}; take them out of the mesh first (kubectl label namespace NAME ${names.Label.inject}-, and restart the workloads), or give --force: their proxies then go on with what they know until their certificates end, within a day`,
    );
  const webhook = names.revisionName(revision);
  const would = dryRun ? 'Would delete' : 'Deletes';
  if (inMesh !== undefined) progress(`note: ${inMesh}`);
  progress(
    `${would} MutatingWebhookConfiguration ${webhook}, then release ${releaseOf(options, own)} in namespace ${systemNamespace}`,
  );
  if (options.purge)
    progress(
      [`${would} the definitions of ${plural(ownKinds().length, 'kind')}, and with them`, ...counts].join(
        '\n',
      ),
    );
  if (dryRun) return { ok: true, text: 'Nothing was changed.' };
  await deleteObject(client, Resources.webhookConfiguration, { name: webhook });
  await helm([
    'uninstall',
    releaseOf(options, own),
    '--namespace',
    systemNamespace,
    '--wait',
    '--ignore-not-found',
  ]);
  if (options.purge) await purge(options);
  const left = options.purge
    ? []
    : ['The kinds of Weft and your policies are there still; weft uninstall --purge deletes them.'];
  return {
    ok: true,
    text: [
      'Uninstalled.',
      ...left,
      `Root and issuer stay in namespace ${systemNamespace}, for an installation that comes after: deleting the namespace deletes them.`,
    ].join('\n'),
  };
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
