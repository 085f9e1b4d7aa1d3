import type { VNode } from 'preact';
import type { Edge } from '../edge.js';
import { shortIdentity } from '../identity-name.js';
import type { HistoryView } from '../history-view.js';
import { CALL_COLUMNS } from './call-rows.js';
import { troublesOf } from './call-troubles.js';
import { Chip, successTone, TlsChip } from './chip.js';
import { formatMs, formatPercent, formatRate } from './format.js';
import type { PageState } from './page-state.js';
import { SortHeads } from './sort-heads.js';
import { Spark } from './spark.js';
import type { ChangeState } from './use-page-state.js';

/** So many calls are shown of a long table, until somebody asks for all. */
const FIRST_CALLS = 20;

/** Which identity called which Service, and how that went. */
export function Calls({
  edges,
  history,
  state,
  change,
}: {
  /** In the order in which they are shown. */
  edges: readonly Edge[];
  history: HistoryView | undefined;
  state: PageState;
  change: ChangeState;
}): VNode {
  const shown = state.allCalls ? edges : edges.slice(0, FIRST_CALLS);
  return (
    <>
      <CallTable edges={shown} history={history} state={state} change={change} />
      {edges.length > FIRST_CALLS && (
        <p class="more">
          <button type="button" onClick={() => change({ ...state, allCalls: !state.allCalls })}>
            {state.allCalls ? `Show only the first ${FIRST_CALLS}` : `Show all ${edges.length} calls`}
          </button>
        </p>
      )}
    </>
  );
}

function CallTable({ edges, history, state, change }: Parameters<typeof Calls>[0]): VNode {
  return (
    <div class="scroll">
      <table>
        <caption>Which identity called which Service</caption>
        <thead>
          <tr>
            <SortHeads
              columns={CALL_COLUMNS}
              sort={state.calls}
              onSort={(sort) => change({ ...state, calls: sort })}
            />
            <th scope="col">Last 30 min</th>
            <th scope="col">Trouble</th>
          </tr>
        </thead>
        <tbody>
          {edges.map((edge) => (
            <EdgeRow
              key={edge.key}
              edge={edge}
              history={history}
              chosen={edge.key === state.edge}
              onChoose={() => change({ ...state, edge: edge.key === state.edge ? '' : edge.key })}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function EdgeRow({
  edge,
  history,
  chosen,
  onChoose,
}: {
  edge: Edge;
  history: HistoryView | undefined;
  chosen: boolean;
  onChoose: () => void;
}): VNode {
  const troubles = troublesOf(edge);
  const side = `told by the ${edge.seenBy}’s proxy`;
  return (
    <tr class={chosen ? 'chosen' : ''}>
      <th scope="row" class="cut" title={edge.caller}>
        <button type="button" class="open" aria-expanded={chosen} onClick={onChoose}>
          {edge.caller === '' ? <em>no identity</em> : shortIdentity(edge.caller)}
        </button>
      </th>
      <ServiceCell edge={edge} />
      <td data-title="Transport">
        <TlsChip tls={edge.tls} />
      </td>
      <td class="number" data-title="Per second" title={side}>
        {rateText(edge)}
      </td>
      {edge.protocol === 'tcp' ? <TcpCells edge={edge} /> : <HttpCells edge={edge} />}
      <td data-title="30 minutes">
        <Spark
          trace={history?.calls[edge.key]}
          history={history}
          what={`calls of ${edge.service} by ${shortIdentity(edge.caller) || 'no identity'}`}
        />
      </td>
      <td data-title={troubles.length > 0 ? 'Trouble' : undefined} class="troubles">
        {troubles.map(({ tone, text, title }) => (
          <Chip tone={tone} key={text} {...(title === '' ? {} : { title })}>
            {text}
          </Chip>
        ))}
      </td>
    </tr>
  );
}

function ServiceCell({ edge }: { edge: Edge }): VNode {
  return (
    <td class="cut" data-title="Service" title={[edge.service, ...edge.servers].join('\n')}>
      {edge.service === '' ? (
        <em>
          {edge.servers.length === 0
            ? 'beyond the mesh'
            : `${edge.servers.map(shortIdentity).join(', ')}, no Service`}
        </em>
      ) : (
        edge.service
      )}
      {edge.ports.length > 0 && <span class="soft">:{edge.ports.join(', ')}</span>}
    </td>
  );
}

function rateText({ protocol, perSecond }: Edge): string {
  return protocol === 'tcp' ? `${formatRate(perSecond)} connections` : formatRate(perSecond);
}

function TcpCells({ edge: { openConnections } }: { edge: Edge }): VNode {
  return (
    <td colSpan={3} class="soft" data-title="Connections">
      {`${openConnections} open`}
    </td>
  );
}

function HttpCells({ edge }: { edge: Edge }): VNode {
  const total = edge.seenBy === 'receiver' ? 'of all callers: this one has no proxy that measures' : '';
  return (
    <>
      <td class={`number ${successTone(edge.successRate)}`} data-title="Success">
        {formatPercent(edge.successRate)}
      </td>
      <td class="number" data-title="p50" title={total}>
        {formatMs(edge.p50Ms)}
      </td>
      <td class="number" data-title="p99" title={total}>
        {formatMs(edge.p99Ms)}
      </td>
    </>
  );
}
