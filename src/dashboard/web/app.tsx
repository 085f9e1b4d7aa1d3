import type { VNode } from 'preact';
import type { MeshView } from '../mesh-view.js';
import { callRows, policyRows, splitRows } from './call-rows.js';
import { FilterBar } from './filter-bar.js';
import { shorten } from './format.js';
import type { PageState } from './page-state.js';
import { namespaceRows } from './pod-rows.js';
import { Policies } from './policies.js';
import { useMesh } from './poll.js';
import { Summary } from './summary.js';
import { Traffic } from './traffic.js';
import { usePageState, type ChangeState } from './use-page-state.js';
import { Workloads } from './workloads.js';

/** The whole page. */
export function App(): VNode {
  const { view, error = '' } = useMesh();
  const [state, change] = usePageState();
  return (
    <>
      <header>
        <img src="/icon.svg" alt="" width="30" height="30" />
        <h1>Weft</h1>
        {view !== undefined && <span class="cluster">{view.cluster}</span>}
        {view !== undefined && <Freshness view={view} stale={error !== ''} />}
      </header>
      <main>
        <Problems view={view} error={error} />
        {view === undefined ? (
          error === '' && <p class="empty">Reading the cluster …</p>
        ) : (
          <Mesh view={view} state={state} change={change} />
        )}
      </main>
    </>
  );
}

/** What is known of the mesh, as far as it was asked for. */
function Mesh({ view, state, change }: { view: MeshView; state: PageState; change: ChangeState }): VNode {
  const edges = callRows(view.edges, state);
  const splits = splitRows(view.splits, state);
  const policies = policyRows(view.policies, state);
  const namespaces = namespaceRows(view.namespaces, state);
  const pods = namespaces.reduce((sum, rows) => sum + rows.pods.length, 0);
  const all = view.namespaces.reduce((sum, namespace) => sum + namespace.pods.length, 0);
  const narrowed = state.onlyProblems || state.search.trim() !== '';
  const found = `${pods} of ${all} pods, ${edges.length} of ${view.edges.length} calls, ${policies.length} of ${view.policies.length} policies`;
  return (
    <>
      <Summary view={view} />
      <FilterBar state={state} change={change} found={narrowed ? found : ''} />
      <Traffic view={view} edges={edges} splits={splits} state={state} change={change} />
      <Policies policies={policies} exist={view.policies.length > 0} />
      <Workloads rows={view.namespaces.length > 0 ? namespaces : undefined} state={state} change={change} />
    </>
  );
}

function Freshness({ view, stale }: { view: MeshView; stale: boolean }): VNode {
  const time = new Date(view.takenAt).toLocaleTimeString([], {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  return (
    <span class={stale ? 'fresh stale' : 'fresh'}>
      {stale ? 'as of' : 'live'} <time dateTime={view.takenAt}>{time}</time>
    </span>
  );
}

/** What keeps the page from telling the whole. */
function Problems({ view, error }: { view: MeshView | undefined; error: string }): VNode | null {
  const mute = (view?.namespaces ?? [])
    .flatMap(({ pods }) => pods)
    .filter(({ scrapeError }) => scrapeError !== '');
  const lines = [
    ...(error === ''
      ? []
      : [{ about: view === undefined ? 'The cluster cannot be read' : 'Out of date', message: error }]),
    ...(view?.problems ?? []),
    ...(mute.length === 0
      ? []
      : [{ about: proxies(mute.length), message: some(mute.map(({ name }) => shorten(name, 63))) }]),
  ];
  return (
    <div role="status">
      {lines.length > 0 && (
        <ul class="problems">
          {lines.map(({ about, message }) => (
            <li key={about + message}>
              <strong>{about}:</strong> {message}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** The first names of a list that may be long. */
function some(names: readonly string[]): string {
  const rest = names.length - NAMED;
  return rest <= 1 ? names.join(', ') : `${names.slice(0, NAMED).join(', ')} and ${rest} more`;
}

const NAMED = 5;

function proxies(count: number): string {
  return count === 1
    ? 'The metrics of a proxy cannot be read'
    : `The metrics of ${count} proxies cannot be read`;
}
