import { names } from '../../base/index.js';
import type { KubeClient } from '../../kube/index.js';
import { demandNamespace } from '../control-planes.js';
import { findAll, type Finding } from '../findings/index.js';
import type { Page } from '../page.js';
import { knownOf } from './known-of.js';
import { readCluster } from './read-cluster.js';
import { objectsOf, readFiles, type WrittenText } from './read-files.js';
import { sarif } from './sarif.js';
import { findingsText } from './text.js';

export type AnalyzeOutput = 'text' | 'json' | 'sarif';

export interface AnalyzeOptions {
  /** Files of YAML or JSON or folders of them, `-` for standard input; none: what is in the cluster. */
  readonly files: readonly string[];
  /** Judged in place of files: what somebody has written and not saved. */
  readonly texts?: readonly WrittenText[];
  /** Asked for only when there are no files. */
  readonly client: () => KubeClient;
  readonly page: Page;
  readonly namespace?: string | undefined;
  /** The files are all there is: what they refer to and do not have does not exist. */
  readonly complete?: boolean;
  /** Warnings count as errors do. */
  readonly strict?: boolean;
  readonly output?: AnalyzeOutput;
  readonly revision?: string;
  readonly systemNamespace?: string;
}

/** What was found, and among how much. */
export interface Analysis {
  readonly findings: readonly Finding[];
  readonly objects: number;
  /** What was not to be read, so that nothing is said about it. */
  readonly gaps: readonly string[];
}

/** Judges objects as the API server and the operator would, and better: it also sees what the server drops unseen. */
export async function analyze(
  options: AnalyzeOptions,
): Promise<{ readonly ok: boolean; readonly text: string }> {
  const { files, texts = [] } = options;
  const analysis = files.length + texts.length > 0 ? await ofFiles(options) : await ofCluster(options);
  const { findings } = analysis;
  const counts = (severity: string): boolean =>
    severity === 'error' || (severity === 'warning' && options.strict === true);
  return { ok: !findings.some(({ severity }) => counts(severity)), text: shown(analysis, options) };
}

function shown(analysis: Analysis, { output = 'text', page }: AnalyzeOptions): string {
  switch (output) {
    case 'text':
      return findingsText(analysis, page);
    case 'json':
      return JSON.stringify(analysis, null, 2);
    case 'sarif':
      return JSON.stringify(sarif(analysis.findings), null, 2);
  }
}

function placeOf({ revision = 'default', systemNamespace = names.SYSTEM_NAMESPACE }: AnalyzeOptions): {
  readonly revision: string;
  readonly systemNamespace: string;
} {
  return { revision, systemNamespace };
}

async function ofFiles(options: AnalyzeOptions): Promise<Analysis> {
  const { files, texts, namespace = 'default' } = options;
  const { objects, count } =
    texts === undefined ? await readFiles(files, namespace) : objectsOf(texts, namespace);
  const complete = options.complete ?? false;
  const known = await knownOf({ ...placeOf(options), objects, complete, live: false });
  return { findings: findAll(known), objects: count, gaps: [] };
}

async function ofCluster(options: AnalyzeOptions): Promise<Analysis> {
  const client = options.client();
  const { namespace } = options;
  if (namespace !== undefined) await demandNamespace(client, namespace, 'weft analyze');
  return analyzeCluster({ ...placeOf(options), client, namespace });
}

/** What is found in the cluster, or in one of its namespaces. */
export async function analyzeCluster(options: {
  readonly client: KubeClient;
  readonly revision: string;
  readonly systemNamespace: string;
  readonly namespace?: string | undefined;
}): Promise<Analysis> {
  const { client, revision, systemNamespace, namespace } = options;
  const place = { revision, systemNamespace };
  const { gaps, ...cluster } = await readCluster({ ...place, client, namespace });
  const known = await knownOf({ ...place, ...cluster, complete: gaps.length === 0, live: true });
  // The others are looked at, because those of the namespace refer to them, and are not reported.
  const asked = cluster.objects.filter(
    (object) =>
      namespace === undefined || object.namespace === namespace || object.title === `Namespace ${namespace}`,
  );
  const titles = new Set(asked.map(({ title }) => title));
  return { findings: findAll(known).filter(({ object }) => titles.has(object)), objects: asked.length, gaps };
}
