import type { VNode } from 'preact';
import { quietEdge, type Edge } from '../edge.js';
import type { HistoryView } from '../history-view.js';
import type { MeshView } from '../mesh-view.js';
import type { Split } from '../splits.js';
import { CallDetails } from './call-details.js';
import { Calls } from './calls.js';
import { GraphView } from './graph-view.js';
import type { PageState } from './page-state.js';
import { Section } from './section.js';
import { SplitTable } from './split-table.js';
import type { ChangeState } from './use-page-state.js';

/** Who called what, as a picture and as a table, and how routes divided it. */
export function Traffic({
  view,
  history,
  edges,
  splits,
  state,
  change,
}: {
  view: MeshView;
  history: HistoryView | undefined;
  /** Those of its calls that are to be shown, in their order. */
  edges: readonly Edge[];
  splits: readonly Split[];
  state: PageState;
  change: ChangeState;
}): VNode {
  const note = `mean of the last ${view.windowSeconds.toFixed(0)} s; ${view.reporting} proxies report`;
  const chosen = view.edges.find(({ key }) => key === state.edge) ?? quietEdge(state.edge);
  return (
    <>
      {edges.length === 0 ? (
        <Section title="Traffic">
          <p class="empty">
            {view.windowSeconds === 0
              ? 'The control plane could not be asked for the traffic; what is missing stands above.'
              : view.edges.length === 0
                ? 'No proxy has seen a request in the last seconds. Send some traffic between meshed pods, and it shows here.'
                : 'No call matches.'}
          </p>
        </Section>
      ) : (
        <Section title="Traffic" note={note}>
          <GraphView edges={edges} chosen={state.edge} onChoose={(edge) => change({ ...state, edge })} />
          <Legend />
          <Calls edges={edges} history={history} state={state} change={change} />
        </Section>
      )}
      {chosen !== undefined && (
        <CallDetails
          edge={chosen}
          view={view}
          history={history}
          onClose={() => change({ ...state, edge: '' })}
        />
      )}
      {chosen === undefined && splits.length > 0 && (
        <Section title="Routes" note="how callers’ proxies divided requests">
          <SplitTable splits={splits} />
        </Section>
      )}
    </>
  );
}

function Legend(): VNode {
  return (
    <ul class="legend" aria-label="Legend">
      <li>
        <span class="swatch mutual" /> mutual TLS
      </li>
      <li>
        <span class="swatch mixed" /> partly
      </li>
      <li>
        <span class="swatch none" /> plain text
      </li>
      <li>
        <span class="swatch refused" /> all of it refused
      </li>
    </ul>
  );
}
