import { z } from 'zod';
import { MeshError, names } from '../../base/index.js';
import { meshKinds } from '../../controller/index.js';
import { orUndefined, resourcePath, Resources, type KubeClient } from '../../kube/index.js';
import { analyze } from '../analyze/index.js';
import { check } from '../check/index.js';
import type { Page } from '../page.js';
import { anObject, Kinds, readList } from '../read-list.js';
import { status } from '../status.js';
import { readVersions } from '../versions.js';
import { redactObject, redactText } from './redact.js';
import type { ArchiveFile } from './tar.js';

export interface CollectOptions {
  readonly client: KubeClient;
  /** Without colours. */
  readonly page: Page;
  readonly revision: string;
  readonly systemNamespace: string;
  /** Pods of these namespaces are told in full, with the logs of their proxies; none: the control plane alone. */
  readonly namespaces: readonly string[];
  /** Most proxies whose logs are read. */
  readonly proxies: number;
}

/** Lines of each log. */
const LOG_LINES = 2000;

/** What helps others to understand what is wrong, without secrets. A part that cannot be read says why. */
export async function collect(options: CollectOptions): Promise<readonly ArchiveFile[]> {
  const { client, page, revision, systemNamespace } = options;
  const others = othersOf(options);
  const place = { client, page, revision, systemNamespace };
  const parts: readonly (readonly [name: string, read: () => Promise<string>])[] = [
    ['versions.json', async () => redacted(await readVersions(client))],
    ['check.txt', async () => redactText(`${(await check(place)).text}\n`)],
    ['status.json', async () => redacted(JSON.parse(await status({ ...place, output: 'json' })) as unknown)],
    [
      'analyze.json',
      async () => {
        const { text } = await analyze({ ...place, files: [], client: () => client, output: 'json' });
        return redacted(JSON.parse(text) as unknown);
      },
    ],
    ...meshKinds()
      .filter(({ resource }) => resource.kind !== 'ConfigMap' && resource.kind !== 'Pod')
      .map(
        ({ resource }) => [`objects/${resource.plural}.json`, () => objectsOf(client, resource, {})] as const,
      ),
    ...[systemNamespace, ...others].flatMap((namespace) => [
      [`objects/${namespace}/pods.json`, () => objectsOf(client, Resources.pod, { namespace })] as const,
      [`objects/${namespace}/events.json`, () => objectsOf(client, Kinds.event, { namespace })] as const,
    ]),
    ...(await logParts(options, others)),
  ];
  const files: ArchiveFile[] = [];
  for (const [name, read] of parts) files.push({ name, content: await attempt(read) });
  return files;
}

/** That of the control plane is in it anyway; each is read once, however often it is named. */
function othersOf({ namespaces, systemNamespace }: CollectOptions): readonly string[] {
  return [...new Set(namespaces)].filter((namespace) => namespace !== systemNamespace);
}

/** Each part by itself: what is wrong may be just what cannot be read. */
async function attempt(read: () => Promise<string>): Promise<string> {
  try {
    return await read();
  } catch (thrown) {
    return `could not be read: ${redactText(MeshError.from(thrown).message)}\n`;
  }
}

function redacted(value: unknown): string {
  return `${JSON.stringify(redactObject(value), null, 2)}\n`;
}

async function objectsOf(
  client: KubeClient,
  kind: { readonly apiVersion: string; readonly plural: string },
  at: { readonly namespace?: string },
): Promise<string> {
  const objects = await orUndefined(readList(client, kind, anObject, at));
  return objects === undefined ? 'the API server does not serve this kind\n' : redacted(objects);
}

const pod = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string() }),
  spec: z.object({
    containers: z.array(z.object({ name: z.string() })).default([]),
    initContainers: z.array(z.object({ name: z.string() })).default([]),
  }),
});

type LogPart = readonly [name: string, read: () => Promise<string>];

/** Of the control plane all logs, of the namespaces those of as many proxies as asked for; never those of applications. */
async function logParts(options: CollectOptions, namespaces: readonly string[]): Promise<readonly LogPart[]> {
  const { client, systemNamespace } = options;
  const own = await pods(client, systemNamespace);
  const others = (await Promise.all(namespaces.map((namespace) => pods(client, namespace)))).flat();
  const proxies = others.filter((one) => containersOf(one).includes(names.PROXY_CONTAINER));
  return [
    ...own.flatMap((one) => containersOf(one).map((container) => logPart(client, one, container))),
    ...proxies.slice(0, options.proxies).map((one) => logPart(client, one, names.PROXY_CONTAINER)),
  ];
}

async function pods(client: KubeClient, namespace: string): Promise<readonly z.infer<typeof pod>[]> {
  return readList(client, Resources.pod, pod, { namespace }).catch(() => []);
}

function containersOf({ spec }: z.infer<typeof pod>): readonly string[] {
  return [...spec.initContainers, ...spec.containers].map(({ name }) => name);
}

function logPart(client: KubeClient, { metadata }: z.infer<typeof pod>, container: string): LogPart {
  const path = resourcePath(Resources.pod, { ...metadata, subresource: 'log' });
  const read = async (): Promise<string> => {
    const answer = await client.request({ path, query: { container, tailLines: LOG_LINES } });
    return typeof answer === 'string' ? redactText(answer) : redacted(answer ?? '');
  };
  return [`logs/${metadata.namespace}/${metadata.name}.${container}.log`, read];
}
