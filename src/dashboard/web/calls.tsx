import type { VNode } from 'preact';
import type { Edge } from '../edges.js';
import { shortIdentity } from '../identity-name.js';
import { CALL_COLUMNS } from './call-rows.js';
import { Chip, successTone, TlsChip } from './chip.js';
import { formatBytes, formatMs, formatPercent, formatRate } from './format.js';
import type { PageState } from './page-state.js';
import { SortHeads } from './sort-heads.js';
import type { ChangeState } from './use-page-state.js';

/** So many calls are shown of a long table, until somebody asks for all. */
const FIRST_CALLS = 20;

/** Which identity called which Service, and how that went. */
export function Calls({
  edges,
  measured,
  state,
  change,
}: {
  /** In the order in which they are shown. */
  edges: readonly Edge[];
  measured: boolean;
  state: PageState;
  change: ChangeState;
}): VNode {
  const shown = state.allCalls ? edges : edges.slice(0, FIRST_CALLS);
  return (
    <>
      <CallTable edges={shown} measured={measured} state={state} change={change} />
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

function CallTable({ edges, measured, state, change }: Parameters<typeof Calls>[0]): VNode {
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
            <th scope="col">Failures</th>
          </tr>
        </thead>
        <tbody>
          {edges.map((edge) => (
            <EdgeRow
              key={`${edge.caller} ${edge.service} ${edge.servers.join()} ${edge.protocol}`}
              edge={edge}
              measured={measured}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function EdgeRow({ edge, measured }: { edge: Edge; measured: boolean }): VNode {
  const side = `told by the ${edge.seenBy}’s proxy`;
  return (
    <tr>
      <th scope="row" class="cut" title={edge.caller}>
        {edge.caller === '' ? <em>no identity</em> : shortIdentity(edge.caller)}
      </th>
      <td class="cut" data-title="Service" title={[edge.service, ...edge.servers].join('\n')}>
        {edge.service === '' ? (
          <em>{edge.servers.map(shortIdentity).join(', ')}, no Service</em>
        ) : (
          edge.service
        )}
        {edge.ports.length > 0 && <span class="soft">:{edge.ports.join(', ')}</span>}
      </td>
      <td data-title="Transport">
        <TlsChip tls={edge.tls} />
      </td>
      <td class="number" data-title="Per second" title={side}>
        {measured ? rateText(edge) : '–'}
      </td>
      {edge.protocol === 'tcp' ? <TcpCells edge={edge} /> : <HttpCells edge={edge} />}
    </tr>
  );
}

function rateText({ protocol, perSecond }: Edge): string {
  return protocol === 'tcp' ? `${formatRate(perSecond)} connections` : formatRate(perSecond);
}

/** Bytes are counted when a connection ends, so a long one says nothing yet. */
function TcpCells({ edge: { openConnections = 0, bytesPerSecond = 0 } }: { edge: Edge }): VNode {
  const bytes = bytesPerSecond > 0 ? `, ${formatBytes(bytesPerSecond)} in those that ended` : '';
  return (
    <td colSpan={4} class="soft" data-title="Connections">
      {`${openConnections} open${bytes}`}
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
      <td data-title={edge.failures.length > 0 ? 'Failures' : undefined}>
        {edge.failures.slice(0, 3).map(({ code, perSecond }) => (
          <Chip tone="bad" key={code}>
            {code} × {formatRate(perSecond)}/s
          </Chip>
        ))}
      </td>
    </>
  );
}
