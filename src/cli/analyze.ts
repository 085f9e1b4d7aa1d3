import { readFile } from 'node:fs/promises';
import { text as readStream } from 'node:stream/consumers';
import { parseAllDocuments } from 'yaml';
import { analyze as findingsOf, type Finding } from '../api/index.js';
import { MeshError } from '../base/index.js';
import { Resources, listObjects, orUndefined, type CustomObject, type KubeClient } from '../kube/index.js';
import type { Page } from './page.js';

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
  const found = sources.map((source) => ({ source, findings: distinct(findingsOf(source.documents)) }));
  const total = found.reduce((sum, { findings }) => sum + findings.length, 0);
  const { page } = options;
  const lines = found.flatMap(({ source, findings }) => render(source.name, findings, page));
  const end =
    total === 0
      ? page.good(`Nothing to say about ${count} objects.`)
      : page.bad(`${total} findings in ${count} objects.`);
  return { ok: total === 0, text: [...lines, end].join('\n') };
}

function render(source: string, findings: readonly Finding[], page: Page): readonly string[] {
  const byObject = Map.groupBy(findings, ({ object }) => object);
  return [...byObject].flatMap(([object, own]) => [
    `${page.strong(object)} ${page.faint(`(${source})`)}`,
    ...own.map(({ path, message }) => `  ${page.bad(path === '' ? 'object' : path)}: ${message}`),
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
  const name = file === '-' ? 'standard input' : file;
  const content = await (file === '-' ? readStream(process.stdin) : readFile(file, 'utf8')).catch(
    (thrown: unknown) => {
      throw new MeshError('not-found', `cannot read ${name}: ${MeshError.from(thrown).message}`, {
        cause: thrown,
      });
    },
  );
  const documents = parseAllDocuments(content).map((document) => {
    const [error] = document.errors;
    if (error !== undefined)
      throw new MeshError('invalid', `${name} is no YAML: ${error.message}`, { cause: error });
    return document.toJS() as unknown;
  });
  return { name, documents: documents.flatMap(unfold) };
}

/** `kubectl get -o yaml` gives a List. */
function unfold(document: unknown): readonly unknown[] {
  if (typeof document !== 'object' || document === null) return [];
  const { kind, items } = { kind: undefined, items: undefined, ...document } as {
    kind: unknown;
    items: unknown;
  };
  return kind === 'List' && Array.isArray(items) ? (items as readonly unknown[]) : [document];
}

async function readCluster({ client, namespace }: AnalyzeOptions): Promise<Source> {
  const connected = client();
  const at = namespace === undefined ? {} : { namespace };
  const policies = (await orUndefined(listObjects(connected, Resources.trafficPolicy, at))) ?? [];
  const configs = (await orUndefined(listObjects(connected, Resources.meshConfig))) ?? [];
  return { name: 'cluster', documents: [...policies, ...configs].flatMap(storedAndApplied) };
}

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** The annotation shows what the user typed, before the server dropped what it does not know. */
function storedAndApplied({ apiVersion, kind, metadata, spec }: CustomObject): readonly unknown[] {
  const { name, namespace } = metadata;
  const stored = { apiVersion, kind, metadata: { name, ...(namespace === '' ? {} : { namespace }) }, spec };
  const applied = metadata.annotations[LAST_APPLIED];
  return applied === undefined ? [stored] : [stored, JSON.parse(applied) as unknown];
}
