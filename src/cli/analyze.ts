import { z } from 'zod';
import { analyze as findingsOf, type Finding } from '../api/index.js';
import { names } from '../base/index.js';
import { ownKinds, serviceNotes } from '../controller/index.js';
import {
  Resources,
  listObjects,
  orUndefined,
  type CustomObject,
  type KubeClient,
  type ObjectMeta,
  type Service,
} from '../kube/index.js';
import { demandNamespace } from './control-planes.js';
import { manifestName, readManifests } from './manifests.js';
import { plural, type Page } from './page.js';

export interface AnalyzeOptions {
  /** Files of YAML or JSON, `-` for standard input; none: what is in the cluster. */
  readonly files: readonly string[];
  /** Asked for only when there are no files. */
  readonly client: () => KubeClient;
  readonly page: Page;
  readonly namespace?: string | undefined;
}

/** Objects and where they come from. */
interface Source {
  readonly name: string;
  readonly documents: readonly unknown[];
  /** What is known about them from elsewhere. */
  readonly findings: readonly Finding[];
}

/** Judges objects as the API server and the operator would, and better: it also sees what the server drops unseen. */
export async function analyze(
  options: AnalyzeOptions,
): Promise<{ readonly ok: boolean; readonly text: string }> {
  const sources =
    options.files.length > 0
      ? await Promise.all(options.files.map(readSource))
      : [await readCluster(options)];
  const count = sources.reduce((total, { documents }) => total + documents.length, 0);
  const found = sources.map((source) => ({
    source,
    findings: distinct([...findingsOf(source.documents), ...source.findings]),
  }));
  const { page } = options;
  const lines = found.flatMap(({ source, findings }) => render(source.name, findings, page));
  const all = found.flatMap(({ findings }) => findings);
  const ok = all.every(({ severity }) => severity !== 'error');
  return { ok, text: [...lines, summary(all, count, page)].join('\n') };
}

function summary(findings: readonly Finding[], objects: number, page: Page): string {
  const looked = plural(objects, 'object');
  if (findings.length === 0) return page.good(`No problems found in ${looked}.`);
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const warnings = findings.length - errors;
  const parts = [
    ...(errors === 0 ? [] : [plural(errors, 'error')]),
    ...(warnings === 0 ? [] : [plural(warnings, 'warning')]),
  ];
  return (errors === 0 ? page.caution : page.bad)(`${parts.join(' and ')} in ${looked}.`);
}

function render(source: string, findings: readonly Finding[], page: Page): readonly string[] {
  const byObject = Map.groupBy(findings, ({ object }) => object);
  return [...byObject].flatMap(([object, own]) => [
    `${page.strong(object)} ${page.faint(`(${source})`)}`,
    ...own.map(({ path, message, severity }) => {
      const mark = severity === 'error' ? page.bad : page.caution;
      return `  ${mark(path === '' ? 'object' : path)}: ${severity === 'error' ? '' : 'warning: '}${message}`;
    }),
  ]);
}

/** What a user applied and what the server kept of it may have the same mistake. */
function distinct(findings: readonly Finding[]): readonly Finding[] {
  const known = new Set<string>();
  return findings.filter(({ object, path, message }) => {
    const id = JSON.stringify([object, path, message]);
    if (known.has(id)) return false;
    known.add(id);
    return true;
  });
}

async function readSource(file: string): Promise<Source> {
  const documents = await readManifests(file);
  return { name: manifestName(file), documents, findings: documents.flatMap(serviceFindings) };
}

/** What the ports of a Service say of their protocols that the operator would tell it in an event. */
function serviceFindings(document: unknown): readonly Finding[] {
  const parsed = service.safeParse(document);
  return parsed.success ? portFindings(Resources.service.keep(parsed.data)) : [];
}

const service = z.looseObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('Service'),
  metadata: z.object({ name: z.string(), namespace: z.string().exactOptional() }),
  spec: z.looseObject({
    ports: z.array(
      z.looseObject({
        name: z.string().exactOptional(),
        port: z.int(),
        targetPort: z.union([z.int(), z.string()]).exactOptional(),
        protocol: z.string().exactOptional(),
        appProtocol: z.string().exactOptional(),
      }),
    ),
  }),
});

function portFindings(kept: Service): readonly Finding[] {
  return serviceNotes(kept).map(({ message }) => ({
    object: title('Service', kept.metadata),
    path: 'spec.ports',
    message,
    severity: 'warning',
    document: 0,
  }));
}

async function readCluster({ client, namespace }: AnalyzeOptions): Promise<Source> {
  const connected = client();
  if (namespace !== undefined) await demandNamespace(connected, namespace, 'weft analyze');
  const at = namespace === undefined ? {} : { namespace };
  const lists = await Promise.all(
    ownKinds().map(({ resource, api }) =>
      orUndefined(listObjects(connected, resource, api.scope === 'Cluster' ? {} : at)),
    ),
  );
  const objects = lists.flatMap((list) => list ?? []);
  return {
    name: 'cluster',
    documents: objects.flatMap(storedAndApplied),
    findings: [
      ...objects.flatMap(judgedFindings),
      ...(await meshedServices(connected, at)).flatMap(portFindings),
    ],
  };
}

/** Of the namespaces that have joined. */
async function meshedServices(
  client: KubeClient,
  at: { readonly namespace?: string },
): Promise<readonly Service[]> {
  const joined = await listObjects(client, Resources.namespace, {
    labelSelector: `${names.Label.inject}=enabled`,
  });
  const namespaces = new Set(joined.map(({ metadata }) => metadata.name));
  const services = await listObjects(client, Resources.service, at);
  return services.filter(({ metadata }) => namespaces.has(metadata.namespace));
}

/** Reasons of conditions that the schema shows as well, that another condition explains, or that pass by themselves. */
const SEEN_OR_PASSING: ReadonlySet<string> = new Set(['Invalid', 'NotAccepted', 'Pending']);

/** What only the rest of the mesh shows, such as a Service that does not exist: the operator has judged it already. */
function judgedFindings({ kind, metadata, conditions }: CustomObject): readonly Finding[] {
  return conditions
    .filter(({ status, reason }) => status === 'False' && !SEEN_OR_PASSING.has(reason))
    .filter(({ observedGeneration }) => observedGeneration === metadata.generation)
    .map(({ type, reason, message }) => ({
      object: title(kind, metadata),
      path: `status.${type}`,
      message: `${reason}: ${message}`,
      severity: 'error',
      document: 0,
    }));
}

function title(kind: string, { namespace, name }: ObjectMeta): string {
  return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
}

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** The annotation shows what the user typed, before the server dropped what it does not know. */
function storedAndApplied({ apiVersion, kind, metadata, spec }: CustomObject): readonly unknown[] {
  const { name, namespace } = metadata;
  const stored = { apiVersion, kind, metadata: { name, ...(namespace === '' ? {} : { namespace }) }, spec };
  const applied = metadata.annotations[LAST_APPLIED];
  return applied === undefined ? [stored] : [stored, ...parsed(applied)];
}

/** Anybody may write annotations: one that kubectl did not write says nothing. */
function parsed(json: string): readonly unknown[] {
  try {
    return [JSON.parse(json) as unknown];
  } catch {
    return [];
  }
}
