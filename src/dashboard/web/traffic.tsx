import type { VNode } from 'preact';
import type { Edge } from '../edge.js';
import type { HistoryView } from '../history-view.js';
import type { MeshView } from '../mesh-view.js';
import type { Split } from '../splits.js';
import { Calls } from './calls.js';
import { successTone } from './chip.js';
import { formatMs, formatPercent, formatRate } from './format.js';
import { GraphView } from './graph-view.js';
import type { PageState } from './page-state.js';
import { Section } from './section.js';
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
          <GraphView edges={edges} />
          <Legend />
          <Calls edges={edges} history={history} state={state} change={change} />
        </Section>
      )}
      {splits.length > 0 && (
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

function SplitTable({ splits }: { splits: readonly Split[] }): VNode {
  return (
    <div class="scroll">
      <table>
        <caption>Share of each backend</caption>
        <thead>
          <tr>
            <th scope="col">Called</th>
            <th scope="col">Route</th>
            <th scope="col">Backend</th>
            <th scope="col">Share</th>
            <th scope="col" class="number">
              Per second
            </th>
            <th scope="col" class="number">
              Success
            </th>
            <th scope="col" class="number">
              p50
            </th>
            <th scope="col" class="number">
              p99
            </th>
          </tr>
        </thead>
        <tbody>
          {splits.map((split) => (
            <tr key={`${split.destination} ${split.route} ${split.backend}`}>
              <th scope="row" class="cut" title={split.destination}>
                {split.destination}
              </th>
              <td class="cut" data-title="Route" title={split.route}>
                {split.route}
              </td>
              <td class="cut" data-title="Backend" title={split.backend}>
                {backendText(split)}
              </td>
              <td class="share" data-title="Share">
                <meter min={0} max={1} value={split.share ?? 0} aria-hidden="true" />
                {formatPercent(split.share)}
              </td>
              <td class="number" data-title="Per second">
                {formatRate(split.perSecond)}
              </td>
              <td class={`number ${successTone(split.successRate)}`} data-title="Success">
                {formatPercent(split.successRate)}
              </td>
              <td class="number" data-title="p50">
                {formatMs(split.p50Ms)}
              </td>
              <td class="number" data-title="p99">
                {formatMs(split.p99Ms)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The labels tell backends of one Service apart; its name stands in the first column. */
function backendText({ destination, backend }: Split): string {
  if (!backend.startsWith(`${destination}{`)) return backend === destination ? 'the whole Service' : backend;
  return backend.slice(destination.length + 1, -1);
}
