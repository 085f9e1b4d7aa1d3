import { MeshError } from '../../base/index.js';
import { Resources, createObject, getObject } from '../../kube/index.js';
import { runChecks } from '../check/index.js';
import { findControlPlanes, revisionOf } from '../control-planes.js';
import { USUAL_DAYS, bringOfflineIssuer } from '../offline-root.js';
import { appVersion, withCharts, type Charts } from './charts.js';
import type { Helm } from './helm.js';
import { planOf } from './plan.js';
import { preflight } from './preflight.js';
import { applyCrds, deploymentName, releaseOf, render, valueOptions, type Values } from './release.js';
import { settle, type SettleOptions } from './settle.js';

export interface InstallOptions extends SettleOptions, Values {
  readonly helm: Helm;
  readonly charts: Charts;
  /** Folder of a root that stays outside of the cluster. */
  readonly offlineRoot?: string | undefined;
}

/** What was done, and whether everything is in order. */
export interface Done {
  readonly ok: boolean;
  readonly text: string;
}

/** The manifests of an installation, for who applies them by other means. */
export async function rendered(
  options: Pick<
    InstallOptions,
    'helm' | 'charts' | 'revision' | 'systemNamespace' | 'set' | 'values' | 'offlineRoot'
  >,
): Promise<string> {
  if (options.offlineRoot !== undefined)
    throw new MeshError(
      'invalid',
      `--dry-run --offline-root: YAML holds no root, and none is made for it; apply the YAML, then weft identity offline ${options.offlineRoot} brings one`,
    );
  const charts = await withCharts(options.charts, async (folder) => render(options.helm, folder, options));
  return `${namespaceOf(options.systemNamespace)}${charts}`;
}

/** As deploy/namespace.yaml has it. */
function namespaceOf(name: string): string {
  return [
    'apiVersion: v1',
    'kind: Namespace',
    'metadata:',
    `  name: ${name}`,
    '  labels:',
    '    pod-security.kubernetes.io/enforce: restricted',
    '    pod-security.kubernetes.io/warn: restricted',
    '',
  ].join('\n');
}

/** Installs both charts where nothing speaks against it, and waits until the control plane works. */
export async function install(options: InstallOptions): Promise<Done> {
  await demandNone(options);
  const installed = await withCharts(options.charts, async (folder) => {
    const plan = planOf(await render(options.helm, folder, options));
    const before = await runChecks(preflight({ plan, more: plan.replicas }), options);
    options.progress(before.text);
    if (before.ok) await installFrom(folder, options);
    return before.ok;
  });
  return installed ? settle(options) : { ok: false, text: 'Nothing was installed.' };
}

async function installFrom(folder: string, options: InstallOptions): Promise<void> {
  const { helm, systemNamespace } = options;
  const release = releaseOf(options);
  options.progress(
    `Installs Weft ${appVersion(options.charts)}: the charts weft-crds and weft as ${release}, ${deploymentName(options)}`,
  );
  if (options.offlineRoot !== undefined) options.progress(await bringRoot(options, options.offlineRoot));
  await applyCrds(helm, folder, options);
  await helm([
    // A try that failed may have left its release behind.
    'upgrade',
    '--install',
    release,
    `${folder}/weft`,
    '--namespace',
    systemNamespace,
    ...valueOptions(options, options),
  ]);
}

async function demandNone(options: InstallOptions): Promise<void> {
  const { client, revision, systemNamespace, offlineRoot } = options;
  const all = await findControlPlanes(client);
  const elsewhere = all.find(({ metadata }) => metadata.namespace !== systemNamespace);
  if (elsewhere !== undefined)
    throw new MeshError(
      'precondition',
      `Weft runs in namespace ${elsewhere.metadata.namespace} already, and its roots are there; install this revision there, too: --system-namespace ${elsewhere.metadata.namespace}`,
    );
  if (all.some((one) => revisionOf(one) === revision))
    throw new MeshError(
      'precondition',
      `revision ${revision} is installed in namespace ${systemNamespace} already; weft upgrade changes it`,
    );
  if (all.length > 0 && offlineRoot !== undefined)
    throw new MeshError(
      'precondition',
      `--offline-root would change what the running mesh signs with, which revision ${all.map(revisionOf).join(', ')} shares: install without it, and where that is meant, weft identity offline ${offlineRoot} changes it`,
    );
}

/** Before the control plane starts, which then leaves what it finds as it is, and makes no root of its own. */
async function bringRoot({ client, systemNamespace }: InstallOptions, folder: string): Promise<string> {
  const namespace = { metadata: { name: systemNamespace, namespace: '' } };
  if ((await getObject(client, Resources.namespace, { name: systemNamespace })) === undefined)
    await createObject(client, Resources.namespace, namespace);
  const how = { dryRun: false, forgetRoots: false, days: USUAL_DAYS };
  return bringOfflineIssuer({ client, systemNamespace, folder, ...how });
}
