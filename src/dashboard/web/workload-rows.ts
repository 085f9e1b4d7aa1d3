import type { MeshView, NamespaceView, PodView } from '../mesh-view.js';
import type { Row } from '../../telemetry/index.js';
import { successTone } from './chip.js';
import type { PageState } from './page-state.js';
import { isTroubled, severityOf, stateOf } from './pod-state.js';
import { inOrder, matches, type Column } from './table-order.js';

type Signals = Row['signals'];

/** Up to here all namespaces are unfolded: so many pods can be looked through. */
const FEW_PODS = 40;

/** A workload with its pods, and what it let in. */
export interface WorkloadRow {
  /** `<namespace>/<kind>/<name>`, the kind small, as in the history. */
  readonly key: string;
  /** `<kind>/<name>`. */
  readonly workload: string;
  readonly pods: readonly PodView[];
  /** Undefined where it has let nothing in. */
  readonly signals: Signals | undefined;
}

export const WORKLOAD_COLUMNS: readonly Column<WorkloadRow>[] = [
  { key: 'workload', title: 'Workload', value: ({ workload }) => workload },
  { key: 'state', title: 'Pods', value: worst },
  {
    key: 'rate',
    title: 'Per second',
    value: ({ signals }) => signals?.perSecond,
    number: true,
    largestFirst: true,
  },
  { key: 'success', title: 'Success', value: ({ signals }) => signals?.successRate, number: true },
  { key: 'p50', title: 'p50', value: ({ signals }) => signals?.p50Ms, number: true, largestFirst: true },
  { key: 'p99', title: 'p99', value: ({ signals }) => signals?.p99Ms, number: true, largestFirst: true },
  { key: 'mtls', title: 'Mutual TLS', value: ({ signals }) => signals?.mutualTls, number: true },
];

/** A namespace with those of its workloads that are to be shown. */
export interface NamespaceRows {
  readonly namespace: NamespaceView;
  readonly workloads: readonly WorkloadRow[];
  readonly signals: Signals | undefined;
  /** How many of all its workloads somebody should look at. */
  readonly troubled: number;
  readonly open: boolean;
}

type Seen = Pick<MeshView, 'namespaces' | 'workloads' | 'namespaceSignals'>;

/** What is shown of the namespaces, those with problems first. A search leaves out those in which it finds nothing. */
export function namespaceRows(view: Seen, state: PageState): NamespaceRows[] {
  const total = view.namespaces.reduce((sum, { pods }) => sum + pods.length, 0);
  const narrowed = state.search.trim() !== '' || state.onlyProblems;
  const signals = new Map(view.workloads.map((row) => [`${row.namespace}/${row.name}`, row.signals]));
  const ofNamespaces = new Map(view.namespaceSignals.map((row) => [row.name, row.signals]));
  return view.namespaces
    .map((namespace) => {
      const all = workloadsOf(namespace, signals);
      return {
        namespace,
        workloads: inOrder(
          all.filter((row) => isWanted(namespace.name, row, state)),
          WORKLOAD_COLUMNS,
          state.workloads,
        ),
        signals: ofNamespaces.get(namespace.name),
        troubled: all.filter(isTroubledWorkload).length,
        open: isOpen(namespace.name, state, narrowed || total <= FEW_PODS),
      };
    })
    .filter(({ workloads }) => !narrowed || workloads.length > 0)
    .sort((a, b) => Number(b.troubled > 0) - Number(a.troubled > 0));
}

function workloadsOf(
  { name, pods }: NamespaceView,
  signals: ReadonlyMap<string, Signals>,
): readonly WorkloadRow[] {
  return [...Map.groupBy(pods, ({ workload }) => workload)].map(([workload, own]) => {
    const [kind = '', ...rest] = workload.split('/');
    const key = `${name}/${kind.toLowerCase()}/${rest.join('/')}`;
    return { key, workload, pods: inSeverity(own), signals: signals.get(key) };
  });
}

function inSeverity(pods: readonly PodView[]): readonly PodView[] {
  return pods.toSorted((a, b) => severityOf(a) - severityOf(b));
}

/** 0 is worst: by its pods, then by what it answers. */
function worst({ pods, signals }: WorkloadRow): number {
  const tone = successTone(signals?.successRate);
  return Math.min(...pods.map(severityOf), { bad: 0, warn: 1, good: 2, quiet: 2 }[tone]);
}

/** Whether somebody should look at the workload. */
export function isTroubledWorkload(row: WorkloadRow): boolean {
  return row.pods.some(isTroubled) || worst(row) < 2;
}

/** What is wrong with its pods, each thing once. */
export function whyTroubled({ pods }: WorkloadRow): readonly string[] {
  return [...new Set(pods.filter(({ lacksProxy }) => lacksProxy).map(({ injection }) => injection))];
}

function isOpen(name: string, { opened, closed }: PageState, usual: boolean): boolean {
  if (closed.includes(name)) return false;
  return usual || opened.includes(name);
}

function isWanted(namespace: string, row: WorkloadRow, { search, onlyProblems }: PageState): boolean {
  if (onlyProblems && !isTroubledWorkload(row)) return false;
  return row.pods.some((pod) => {
    const { name, workload, identity, proxyVersion, injection } = pod;
    return matches(search, [namespace, name, workload, identity, proxyVersion, injection, stateOf(pod).text]);
  });
}
