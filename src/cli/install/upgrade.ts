import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MeshError } from '../../base/index.js';
import { ownControlPlane } from '../check/control-plane.js';
import { runChecks } from '../check/index.js';
import { RELEASE } from '../check/remedies.js';
import type { ControlPlane } from '../control-planes.js';
import { plural } from '../page.js';
import { UNSEEN, proxiesOf, versionOf, type ProxyOfPod } from '../versions.js';
import { appVersion, withCharts } from './charts.js';
import type { Done, InstallOptions } from './install.js';
import { planOf, type Plan } from './plan.js';
import { preflight } from './preflight.js';
import { applyCrds, deploymentName, hasRelease, releaseOf, render, valueOptions } from './release.js';
import { settle } from './settle.js';

export interface UpgradeOptions extends InstallOptions {
  /** Only say what would be done. */
  readonly dryRun: boolean;
}

/** Of a rollout, beyond the replicas: `maxSurge` of the chart. */
const SURGE = 1;

/** Brings the charts of an installation to this program's, with the values that it has, and says which pods have an older proxy then. */
export async function upgrade(options: UpgradeOptions): Promise<Done> {
  const own = await ownControlPlane(options);
  if (own === undefined)
    throw new MeshError('not-found', `${deploymentName(options)} does not exist; weft install makes it`);
  const release = await demandRelease(options, own);
  const to = appVersion(options.charts);
  demandSkew(versionOf(imageOf(own)), to);
  const done = await withCharts(options.charts, async (folder) =>
    upgradeFrom(folder, { ...options, own, release, to }),
  );
  if (done !== undefined) return done;
  const { ok, text } = await settle(options);
  const image = versionOf(imageOf((await ownControlPlane(options)) ?? own));
  return { ok, text: [text, '', ...outdated(await proxiesOf(options.client), image)].join('\n') };
}

interface Upgrading extends UpgradeOptions {
  readonly own: ControlPlane;
  readonly release: string;
  /** The version of the charts. */
  readonly to: string;
}

/** What there is to say where nothing was changed. */
async function upgradeFrom(folder: string, options: Upgrading): Promise<Done | undefined> {
  const { own, release, helm, systemNamespace } = options;
  const kept = join(folder, 'kept-values.json');
  await writeFile(
    kept,
    await helm(['get', 'values', release, '--namespace', systemNamespace, '--output', 'json']),
  );
  // As Helm lays them over each other with --reset-then-reuse-values.
  const plan = planOf(await render(helm, folder, { ...options, values: [kept, ...options.values] }));
  demandNewImage(plan, options);
  const more = Math.max(0, plan.replicas - own.spec.replicas) + SURGE;
  const before = await runChecks(preflight({ plan, more }), options);
  options.progress(before.text);
  if (!before.ok) return { ok: false, text: 'Nothing was changed.' };
  options.progress(
    `${options.dryRun ? 'Would bring' : 'Brings'} ${deploymentName(options)} from ${versionOf(imageOf(own))} to ${versionOf(plan.image)}`,
  );
  if (options.dryRun) {
    const later = `Nothing was changed. Pods keep their proxies until they are recreated.`;
    return { ok: true, text: [later, ...outdated(await proxiesOf(options.client), undefined)].join('\n') };
  }
  await applyCrds(helm, folder, options);
  const at = ['--namespace', systemNamespace, '--reset-then-reuse-values'];
  await helm(['upgrade', release, `${folder}/weft`, ...at, ...valueOptions(options, options)]);
  return undefined;
}

function imageOf({ spec }: ControlPlane): string {
  return spec.template.spec.containers[0]?.image ?? '';
}

/** One minor version is what proxies and control plane are held to understand of each other. */
function demandSkew(from: string, to: string): void {
  const [was, becomes] = [numbersOf(from), numbersOf(to)];
  // An image by digest, or with a tag of one's own, does not say what it is.
  if (was === undefined || becomes === undefined) return;
  const apart = was.major !== becomes.major || Math.abs(was.minor - becomes.minor) > 1;
  if (!apart) return;
  throw new MeshError(
    'precondition',
    `the control plane is ${from} and this program ${to}: only one minor version is changed at a time; take the program of a version between them first (docs/releases.md)`,
  );
}

function numbersOf(version: string): { readonly major: number; readonly minor: number } | undefined {
  const [, major, minor] = /^v?(\d+)\.(\d+)\.\d+/.exec(version) ?? [];
  return major === undefined ? undefined : { major: Number(major), minor: Number(minor) };
}

/** The release of what is installed. Throws where it is not Helm's. */
async function demandRelease(options: UpgradeOptions, own: ControlPlane): Promise<string> {
  const release = releaseOf(options, own);
  if (own.metadata.annotations[RELEASE] !== undefined && (await hasRelease(options.helm, release, options)))
    return release;
  throw new MeshError(
    'precondition',
    `${deploymentName(options)} belongs to no Helm release in namespace ${options.systemNamespace}, so it was applied by other means, which upgrade it: kubectl apply --server-side -f deploy/crds.yaml,deploy/weft.yaml of the new version, or what else was applied; weft install --dry-run prints the like with other values`,
  );
}

/** A tag that was set once is kept with the other values, or given again in a file, so that the new chart would run the old image. */
function demandNewImage({ image }: Plan, { own, set, to }: Upgrading): void {
  const tag = versionOf(image);
  if (tag !== versionOf(imageOf(own)) || tag === to || set.some((one) => /(^|,)image\.tag=/.test(one)))
    return;
  throw new MeshError(
    'precondition',
    `with image.tag=${tag} among the values, the new chart would run the image that runs now: give the new one, --set image.tag=NEW, or --set image.tag= for the chart's own, ${to}`,
  );
}

/** Of how many pods in a row names are told. */
const MOST_PODS = 5;
const MOST_NAMESPACES = 20;

/** Pods whose proxy is not of that image, or all of them, by namespace, with what recreates them. */
function outdated(all: readonly ProxyOfPod[] | undefined, version: string | undefined): readonly string[] {
  if (all === undefined) return [UNSEEN];
  const old = all.filter((one) => one.version !== version);
  if (old.length === 0)
    return version === undefined ? [] : ['Every proxy has the version of the control plane.'];
  const namespaces = [...Map.groupBy(old, ({ namespace }) => namespace)].sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    `${plural(old.length, 'pod')} with an older proxy, which works on; restart their workloads when it suits:`,
    ...namespaces.slice(0, MOST_NAMESPACES).flatMap(([namespace, pods]) => {
      const shown = pods.slice(0, MOST_PODS).map(({ name, version: has }) => `${name} (${has})`);
      const more = pods.length - shown.length;
      return [
        `  ${namespace}: ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`,
        `    kubectl rollout restart deployment,statefulset,daemonset --namespace ${namespace}`,
      ];
    }),
    ...(namespaces.length > MOST_NAMESPACES
      ? [`  and ${plural(namespaces.length - MOST_NAMESPACES, 'namespace')} more`]
      : []),
  ];
}
