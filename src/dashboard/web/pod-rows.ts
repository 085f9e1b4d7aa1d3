import { shortIdentity } from '../identity-name.js';
import type { NamespaceView, PodView } from '../mesh-view.js';
import type { Tone } from './chip.js';
import type { PageState } from './page-state.js';
import { inOrder, matches, type Column } from './table-order.js';

/** Up to here all namespaces are unfolded: so many rows can be looked through. */
const FEW_PODS = 40;

export interface PodState {
  readonly tone: Tone;
  readonly text: string;
}

/** How a pod is, in a word. One that is about to leave is no problem. */
export function stateOf({ ready, phase }: PodView): PodState {
  if (phase === 'Terminating') return { tone: 'quiet', text: 'terminating' };
  if (phase !== 'Running') return { tone: 'warn', text: phase.toLowerCase() };
  return ready ? { tone: 'good', text: 'ready' } : { tone: 'warn', text: 'not ready' };
}

/** Whether somebody should look at the pod. */
export function isTroubled(pod: PodView): boolean {
  return severityOf(pod) < 2;
}

/** 0 is worst. */
function severityOf(pod: PodView): number {
  if (pod.lacksProxy || pod.scrapeError !== '') return 0;
  return { bad: 0, warn: 1, good: 2, quiet: 3 }[stateOf(pod).tone];
}

export const POD_COLUMNS: readonly Column<PodView>[] = [
  { key: 'pod', title: 'Pod', value: ({ name }) => name },
  { key: 'workload', title: 'Workload', value: ({ workload }) => workload },
  { key: 'identity', title: 'Identity', value: ({ identity }) => shortIdentity(identity) || undefined },
  { key: 'proxy', title: 'Proxy', value: ({ proxyVersion }) => proxyVersion || undefined },
  { key: 'injection', title: 'Injection', value: ({ injection }) => injection },
  { key: 'state', title: 'State', value: severityOf },
];

/** A namespace with those of its pods that are to be shown. */
export interface NamespaceRows {
  readonly namespace: NamespaceView;
  readonly pods: readonly PodView[];
  /** How many of all its pods somebody should look at. */
  readonly troubled: number;
  readonly open: boolean;
}

/** What is shown of the namespaces, those with problems first. A search leaves out those in which it finds nothing. */
export function namespaceRows(namespaces: readonly NamespaceView[], state: PageState): NamespaceRows[] {
  const total = namespaces.reduce((sum, { pods }) => sum + pods.length, 0);
  const narrowed = state.search.trim() !== '' || state.onlyProblems;
  return namespaces
    .map((namespace) => ({
      namespace,
      pods: inOrder(
        namespace.pods.filter((pod) => isWanted(namespace.name, pod, state)),
        POD_COLUMNS,
        state.pods,
      ),
      troubled: namespace.pods.filter(isTroubled).length,
      open: isOpen(namespace.name, state, narrowed || total <= FEW_PODS),
    }))
    .filter(({ pods }) => !narrowed || pods.length > 0)
    .sort((a, b) => Number(b.troubled > 0) - Number(a.troubled > 0));
}

function isOpen(name: string, { opened, closed }: PageState, usual: boolean): boolean {
  if (closed.includes(name)) return false;
  return usual || opened.includes(name);
}

function isWanted(namespace: string, pod: PodView, { search, onlyProblems }: PageState): boolean {
  if (onlyProblems && !isTroubled(pod)) return false;
  const { name, workload, identity, proxyVersion, injection, scrapeError } = pod;
  const { text } = stateOf(pod);
  return matches(search, [namespace, name, workload, identity, proxyVersion, injection, text, scrapeError]);
}
