import { names } from '../base/index.js';
import { hasOurProxy, ownKinds, proxyAbsence } from '../controller/index.js';
import {
  Resources,
  listObjects,
  orUndefined,
  type Condition,
  type CustomObject,
  type KubeClient,
  type Pod,
} from '../kube/index.js';
import type { Page } from './page.js';
import { plainCallers, renderPlainCallers } from './plain-callers.js';

export interface StatusOptions {
  readonly client: KubeClient;
  readonly page: Page;
  /** One namespace only. */
  readonly namespace?: string | undefined;
  readonly output: 'text' | 'json';
  readonly revision: string;
}

/** An object of a kind of ours that is judged like a policy. */
interface PolicyLine {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly conditions: readonly Condition[];
  /** Conditions that are about an older generation than the one that is stored. */
  readonly outdated: boolean;
}

interface NamespaceLine {
  readonly namespace: string;
  readonly labelled: boolean;
  readonly pods: number;
  readonly meshed: number;
  readonly ready: number;
  /** Pods that should have a proxy and have none. */
  readonly withoutProxy: readonly string[];
}

/** What the mesh is doing: policies with their conditions, and meshed pods by namespace. */
export async function status(options: StatusOptions): Promise<string> {
  const { client, namespace, output } = options;
  const at = namespace === undefined ? {} : { namespace };
  const policies = await listOwn(client, at);
  const namespaces = await listObjects(client, Resources.namespace);
  const pods = await listObjects(client, Resources.pod, at);
  const labels = new Map(namespaces.map(({ metadata }) => [metadata.name, metadata.labels]));
  const report = {
    policies: policies.map(policyLine),
    namespaces: namespaceLines(pods, labels, options.revision),
  };
  // Each proxy is asked, so of one namespace only.
  const plain = namespace === undefined ? undefined : await plainCallers(client, pods.filter(hasOurProxy));
  if (output === 'json') return JSON.stringify({ ...report, plain }, null, 2);
  const text = render(report, options.page);
  return plain === undefined ? text : [text, '', renderPlainCallers(plain, options.page)].join('\n');
}

/** The objects of each kind of ours that lives in namespaces; of one that is not installed there are none. */
async function listOwn(
  client: KubeClient,
  at: { readonly namespace?: string },
): Promise<readonly CustomObject[]> {
  const kinds = ownKinds().filter(({ api }) => api.scope === 'Namespaced');
  const lists = await Promise.all(
    kinds.map(({ resource }) => orUndefined(listObjects(client, resource, at))),
  );
  return lists.flatMap((list) => list ?? []);
}

function policyLine({ kind, metadata, conditions }: CustomObject): PolicyLine {
  return {
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    conditions,
    outdated: conditions.some((condition) => condition.observedGeneration !== metadata.generation),
  };
}

function namespaceLines(
  pods: readonly Pod[],
  labels: ReadonlyMap<string, Readonly<Record<string, string>>>,
  revision: string,
): readonly NamespaceLine[] {
  const byNamespace = Map.groupBy(
    pods.filter((pod) => pod.phase !== 'Succeeded' && pod.phase !== 'Failed'),
    (pod) => pod.metadata.namespace,
  );
  const lines = [...byNamespace].map(([namespace, own]) => {
    const of = labels.get(namespace) ?? {};
    const meshed = own.filter(hasOurProxy);
    return {
      namespace,
      labelled: of[names.Label.inject] === 'enabled',
      pods: own.length,
      meshed: meshed.length,
      ready: meshed.filter((pod) => pod.ready).length,
      withoutProxy: own
        .filter((pod) => proxyAbsence(pod, of, revision) !== undefined)
        .map((pod) => pod.metadata.name),
    };
  });
  return lines
    .filter((line) => line.labelled || line.meshed > 0 || line.withoutProxy.length > 0)
    .sort((a, b) => (a.namespace < b.namespace ? -1 : 1));
}

const TYPES = ['Accepted', 'ResolvedRefs', 'Programmed'] as const;

function render(
  report: { policies: readonly PolicyLine[]; namespaces: readonly NamespaceLine[] },
  page: Page,
): string {
  const policies = page.table(
    ['NAMESPACE', 'KIND', 'NAME', 'ACCEPTED', 'RESOLVED', 'PROGRAMMED'],
    report.policies.map((line) => [
      line.namespace,
      line.kind,
      line.name + (line.outdated ? page.caution(' (being judged)') : ''),
      ...TYPES.map((type) => verdict(line, type, page)),
    ]),
  );
  const namespaces = page.table(
    ['NAMESPACE', 'PODS', 'MESHED', 'READY', 'WITHOUT PROXY'],
    report.namespaces.map((line) => [
      line.namespace,
      String(line.pods),
      String(line.meshed),
      String(line.ready),
      line.withoutProxy.length === 0 ? '-' : page.caution(shorten(line.withoutProxy)),
    ]),
  );
  const problems = report.policies.flatMap((line) => problemLines(line, page));
  return [
    page.strong('Policies'),
    report.policies.length === 0 ? 'none; see the TrafficPolicy example in the README' : policies,
    ...problems,
    '',
    page.strong('Meshed namespaces'),
    report.namespaces.length === 0
      ? `none; label one: kubectl label namespace NAME ${names.Label.inject}=enabled, and recreate its pods`
      : namespaces,
  ].join('\n');
}

function verdict(line: PolicyLine, type: string, page: Page): string {
  const condition = line.conditions.find((candidate) => candidate.type === type);
  if (condition === undefined) return page.caution('not yet');
  const { status: value, reason } = condition;
  if (value !== 'True') return page.bad(`no (${reason})`);
  return page.good(reason === type ? 'yes' : `yes (${reason})`);
}

function problemLines(line: PolicyLine, page: Page): readonly string[] {
  return line.conditions
    .filter((condition) => condition.status !== 'True')
    .map(
      (condition) =>
        `  ${page.bad(`${line.kind} ${line.namespace}/${line.name}`)} ${condition.message.replaceAll('\n', '\n    ')}`,
    );
}

function shorten(pods: readonly string[]): string {
  const shown = pods.slice(0, 3).join(', ');
  return pods.length > 3 ? `${shown} and ${pods.length - 3} more` : shown;
}
