import { z } from 'zod';
import { MeshError } from '../../base/index.js';
import { ownControlPlane } from '../check/control-plane.js';
import { runChecks } from '../check/index.js';
import type { ControlPlane } from '../control-planes.js';
import { plural } from '../page.js';
import { proxiesOf, versionOf, type ProxyOfPod } from '../versions.js';
import { appVersion, withCharts } from './charts.js';
import type { Done, InstallOptions } from './install.js';
import { PREFLIGHT } from './preflight.js';
import { applyCrds, deploymentName, releaseOf, valueOptions } from './release.js';
import { settle } from './settle.js';

export interface UpgradeOptions extends InstallOptions {
  /** Only say what would be done. */
  readonly dryRun: boolean;
}

/** Brings the charts of an installation to this program's, with the values that it has, and says which pods have an older proxy then. */
export async function upgrade(options: UpgradeOptions): Promise<Done> {
  const own = await ownControlPlane(options);
  if (own === undefined)
    throw new MeshError('not-found', `${deploymentName(options)} does not exist; weft install makes it`);
  const release = releaseOf(options, own);
  const to = appVersion(options.charts);
  const from = versionOf(imageOf(own));
  demandSkew(from, to);
  await demandImage(options, release, to);
  const before = await runChecks(PREFLIGHT, options);
  options.progress(before.text);
  if (!before.ok) return { ok: false, text: 'Nothing was changed.' };
  options.progress(
    `${options.dryRun ? 'Would bring' : 'Brings'} ${deploymentName(options)} from ${from} to ${to}`,
  );
  if (options.dryRun) {
    const later = `Nothing was changed. Pods keep their proxies until they are recreated.`;
    return { ok: true, text: [later, ...outdated(await proxiesOf(options.client), undefined)].join('\n') };
  }
  await withCharts(options.charts, async (folder) => {
    await applyCrds(options.helm, folder, options);
    const at = ['--namespace', options.systemNamespace, '--reset-then-reuse-values'];
    await options.helm(['upgrade', release, `${folder}/weft`, ...at, ...valueOptions(options, options)]);
  });
  const { ok, text } = await settle(options);
  const image = versionOf(imageOf((await ownControlPlane(options)) ?? own));
  return { ok, text: [text, '', ...outdated(await proxiesOf(options.client), image)].join('\n') };
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

const imageValues = z.object({ image: z.object({ tag: z.string().default('') }).prefault({}) });

/** A tag that was set once is kept with the other values, so that the new chart would run the old image. */
async function demandImage(
  { helm, set, values, systemNamespace }: UpgradeOptions,
  release: string,
  to: string,
): Promise<void> {
  if (set.some((one) => /(^|,)image\.tag=/.test(one)) || values.length > 0) return;
  const said = await helm(['get', 'values', release, '--namespace', systemNamespace, '--output', 'json']);
  const parsed = imageValues.safeParse(JSON.parse(said) ?? {});
  const tag = parsed.success ? parsed.data.image.tag : '';
  if (tag === '' || tag === to) return;
  throw new MeshError(
    'precondition',
    `the installation has image.tag=${tag} among its values, which the upgrade would keep: give the new one, --set image.tag=NEW, or --set image.tag= for the chart's own, ${to}`,
  );
}

/** Of how many pods in a row names are told. */
const MOST_PODS = 5;
const MOST_NAMESPACES = 20;

/** Pods whose proxy is not of that image, or all of them, by namespace, with what recreates them. */
function outdated(all: readonly ProxyOfPod[], version: string | undefined): readonly string[] {
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
