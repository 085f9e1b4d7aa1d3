import { z } from 'zod';
import { MeshError, names } from '../base/index.js';
import { Resources, type KubeClient } from '../kube/index.js';
import { findControlPlanes, revisionOf } from './control-planes.js';
import { plural, type Page } from './page.js';
import { readList } from './read-list.js';
import { weftVersion } from './version.js';

/** Versions of both sides. */
export interface Versions {
  readonly client: string;
  readonly kubernetes: string;
  readonly controlPlanes: readonly ControlPlaneVersion[];
  /** Of the pods with a proxy, by the version of that. */
  readonly proxies: readonly ProxyVersion[];
  /** What does not go together, and what to do. */
  readonly skew: readonly string[];
  /** What was not to be seen. */
  readonly gaps: readonly string[];
}

interface ControlPlaneVersion {
  readonly namespace: string;
  readonly name: string;
  readonly revision: string;
  readonly version: string;
}

interface ProxyVersion {
  readonly version: string;
  readonly pods: number;
  /** `<namespace>/<name>` of one. */
  readonly example: string;
}

const containers = z
  .array(z.object({ name: z.string().default(''), image: z.string().default('') }))
  .default([]);
const pod = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string() }),
  spec: z.object({ containers, initContainers: containers }),
});
const server = z.object({ gitVersion: z.string() });

/** Asks the cluster; without one only this program is known. */
export async function readVersions(client: KubeClient): Promise<Versions> {
  const { gitVersion } = server.parse(await client.request({ path: '/version', timeoutMs: 10_000 }));
  const controlPlanes = (await findControlPlanes(client)).map((plane) => ({
    namespace: plane.metadata.namespace,
    name: plane.metadata.name,
    revision: revisionOf(plane),
    version: versionOf(plane.spec.template.spec.containers[0]?.image ?? ''),
  }));
  const pods = await readPods(client);
  const proxies = proxyVersions(pods ?? []);
  const known = { client: weftVersion(), kubernetes: gitVersion, controlPlanes, proxies };
  const gaps = [...(pods === undefined ? [UNSEEN] : []), ...unnamed(known)];
  return { ...known, skew: skewOf(known), gaps };
}

export const UNSEEN =
  'you may not list the pods of the cluster, so the versions of proxies are not known; ask for "list" on pods';

/** Images by digest, or with a tag such as `dev`, do not say which version they are. */
function unnamed({ client, controlPlanes }: Pick<Versions, 'client' | 'controlPlanes'>): readonly string[] {
  const tags = [...new Set(controlPlanes.map(({ version }) => version))].filter(
    (tag) => tag !== client && !isVersion(tag),
  );
  return tags.map(
    (tag) =>
      `the image of the control plane is ${tag}, which is not a version: compare it with ${client} yourself`,
  );
}

function isVersion(tag: string): boolean {
  return /^v?\d+\.\d+\.\d+/.test(tag);
}

/** Who may not see the pods of the cluster learns the rest. */
async function readPods(client: KubeClient): Promise<readonly z.infer<typeof pod>[] | undefined> {
  return readList(client, Resources.pod, pod).catch((thrown: unknown) => {
    const error = MeshError.from(thrown);
    if (error.code !== 'permission-denied') throw error;
    return undefined;
  });
}

/** The tag of an image, or what stands for one: a registry may have a port. */
export function versionOf(image: string): string {
  const [name = '', digest] = image.split('@');
  const tag = /:([^/:]+)$/.exec(name)?.[1];
  return tag ?? digest ?? 'unknown';
}

/** A pod, and the version of its proxy. */
export interface ProxyOfPod {
  readonly namespace: string;
  readonly name: string;
  readonly version: string;
}

/** Every pod with a proxy; undefined: whoever asks may not list pods. */
export async function proxiesOf(client: KubeClient): Promise<readonly ProxyOfPod[] | undefined> {
  return (await readPods(client))?.flatMap(proxyOf);
}

function proxyOf({ metadata, spec }: z.infer<typeof pod>): readonly ProxyOfPod[] {
  const all = [...spec.initContainers, ...spec.containers];
  const proxy = all.find(({ name }) => name === names.PROXY_CONTAINER);
  return proxy === undefined ? [] : [{ ...metadata, version: versionOf(proxy.image) }];
}

function proxyVersions(pods: readonly z.infer<typeof pod>[]): readonly ProxyVersion[] {
  return [...Map.groupBy(pods.flatMap(proxyOf), ({ version }) => version)]
    .map(([version, same]) => {
      const [first] = same;
      const example = first === undefined ? '' : `${first.namespace}/${first.name}`;
      return { version, pods: same.length, example };
    })
    .sort((a, b) => (a.version < b.version ? -1 : 1));
}

function skewOf({ client, controlPlanes, proxies }: Omit<Versions, 'skew' | 'gaps'>): readonly string[] {
  const served = new Set(controlPlanes.map(({ version }) => version));
  if (served.size === 0) return ['there is no control plane; install the chart weft'];
  return [
    ...(served.has(client) || ![...served].every(isVersion)
      ? []
      : [
          `this program is ${client} and the control plane ${[...served].join(', ')}: each may know features that the other does not; use the program of that version`,
        ]),
    ...proxies
      .filter(({ version }) => !served.has(version))
      .map(
        ({ version, pods, example }) =>
          `${plural(pods, 'pod')} with a proxy of ${version}, such as ${example}: recreate them to have the control plane's; until then what they do not know yet is rejected by name, and the rest works`,
      ),
  ];
}

export function versionsText(
  { client, kubernetes, controlPlanes, proxies, skew, gaps }: Versions,
  page: Page,
): string {
  const rows = [
    ['weft', client, 'this program'],
    ...controlPlanes.map(({ namespace, name, revision, version }) => [
      'control plane',
      version,
      `${namespace}/${name}, revision ${revision}`,
    ]),
    ...proxies.map(({ version, pods, example }) => [
      'proxies',
      version,
      `${plural(pods, 'pod')}, such as ${example}`,
    ]),
    ['Kubernetes', kubernetes, ''],
  ];
  return [
    page.table(['PART', 'VERSION', ''], rows),
    ...[...skew, ...gaps].map((one) => page.caution(`note: ${one}`)),
  ].join('\n');
}
