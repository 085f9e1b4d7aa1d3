import type { VNode } from 'preact';
import type { HistoryView } from '../history-view.js';
import type { MeshView, Problem } from '../mesh-view.js';
import { Access } from './access.js';
import { Authority } from './authority.js';
import { callRows, policyRows, splitRows } from './call-rows.js';
import { Changes } from './changes.js';
import { FilterBar } from './filter-bar.js';
import { Findings } from './findings.js';
import { Live } from './live.js';
import type { PageState } from './page-state.js';
import { Policies } from './policies.js';
import { usePolled } from './poll.js';
import { Summary } from './summary.js';
import { Tabs } from './tabs.js';
import { Traffic } from './traffic.js';
import { usePageState, type ChangeState } from './use-page-state.js';
import { namespaceRows } from './workload-rows.js';
import { Workloads } from './workloads.js';

const VIEW_EVERY_MS = 2_000;
const HISTORY_EVERY_MS = 20_000;

/** The whole page. */
export function App(): VNode {
  const { value: view, error = '' } = usePolled<MeshView>('/api/mesh', VIEW_EVERY_MS);
  const { value: history, error: forgotten = '' } = usePolled<HistoryView>('/api/history', HISTORY_EVERY_MS);
  const [state, change] = usePageState();
  const more = error === '' ? forgottenProblems(view, history, forgotten) : [];
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header>
        <img src="/icon.svg" alt="" width="30" height="30" />
        <h1>Weft</h1>
        <Tabs state={state} change={change} />
        {view !== undefined && <span class="cluster">{view.cluster}</span>}
        {view !== undefined && <Freshness view={view} stale={error !== ''} />}
      </header>
      <main id="main" tabIndex={-1}>
        <Problems view={view} error={error} more={more} />
        {view === undefined ? (
          error === '' && <p class="empty">Reading the cluster …</p>
        ) : (
          <Mesh view={view} history={history} state={state} change={change} />
        )}
      </main>
    </>
  );
}

/** Without the traffic, why there is none has been said. */
function forgottenProblems(
  view: MeshView | undefined,
  history: HistoryView | undefined,
  forgotten: string,
): readonly Problem[] {
  if (view?.windowSeconds === 0) return [];
  const said = new Set(view?.problems.map(({ message }) => message));
  const messages = forgotten === '' ? (history?.notes ?? []) : [forgotten];
  return messages
    .filter((message) => !said.has(message))
    .map((message) => ({ about: 'The last half hour', message }));
}

interface Shown {
  view: MeshView;
  history: HistoryView | undefined;
  state: PageState;
  change: ChangeState;
}

/** What is known of the mesh, as far as it was asked for. */
function Mesh(shown: Shown): VNode {
  const { view, state, change } = shown;
  return (
    <>
      <Summary view={view} />
      <FilterBar state={state} change={change} found={foundText(view, state)} />
      <View {...shown} />
    </>
  );
}

function View({ view, history, state, change }: Shown): VNode {
  switch (state.tab) {
    case 'traffic':
      return (
        <Traffic
          view={view}
          history={history}
          edges={callRows(view.edges, state)}
          splits={splitRows(view.splits, state)}
          state={state}
          change={change}
        />
      );
    case 'live':
      return <Live view={view} state={state} change={change} />;
    case 'workloads':
      return (
        <>
          <Authority />
          <Workloads
            rows={view.namespaces.length > 0 ? namespaceRows(view, state) : undefined}
            history={history}
            state={state}
            change={change}
          />
        </>
      );
    case 'access':
      return <Access view={view} history={history} state={state} change={change} />;
    case 'findings':
      return <Findings state={state} />;
    case 'policies':
      return (
        <>
          <Policies policies={policyRows(view.policies, state)} exist={view.policies.length > 0} />
          <Changes search={state.search} />
        </>
      );
  }
}

/** What a search left, in words; empty while nothing is narrowed. */
function foundText(view: MeshView, state: PageState): string {
  if (!state.onlyProblems && state.search.trim() === '') return '';
  const calls = callRows(view.edges, state).length;
  const workloads = namespaceRows(view, state).reduce((sum, rows) => sum + rows.workloads.length, 0);
  const policies = policyRows(view.policies, state).length;
  return `${calls} of ${view.edges.length} calls, ${workloads} workloads, ${policies} of ${view.policies.length} policies`;
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
function Problems({
  view,
  error,
  more,
}: {
  view: MeshView | undefined;
  error: string;
  more: readonly Problem[];
}): VNode {
  const lines = [
    ...(error === ''
      ? []
      : [{ about: view === undefined ? 'The cluster cannot be read' : 'Out of date', message: error }]),
    ...(view?.problems ?? []),
    ...more,
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
