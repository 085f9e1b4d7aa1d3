import type { VNode } from 'preact';
import { shortIdentity } from '../identity-name.js';
import type { Edge } from '../edges.js';
import type { MeshView } from '../mesh-view.js';
import type { Split } from '../splits.js';
import { Chip, successTone, TlsChip } from './chip.js';
import { formatBytes, formatMs, formatPercent, formatRate } from './format.js';
import { GraphView } from './graph-view.js';
import { Section } from './section.js';

/** Who called what, as a picture and as a table, and how routes divided it. */
export function Traffic({ view }: { view: MeshView }): VNode {
  const { edges, splits, windowSeconds } = view;
  const note = windowSeconds > 0 ? `mean of the last ${windowSeconds.toFixed(0)} s` : 'measuring …';
  if (edges.length === 0) {
    return (
      <Section title="Traffic">
        <p class="empty">
          No proxy has seen a request yet. Send some traffic between meshed pods, and it shows here.
        </p>
      </Section>
    );
  }
  return (
    <>
      <Section title="Traffic" note={note}>
        <GraphView edges={edges} measured={windowSeconds > 0} />
        <Legend />
        <EdgeTable edges={edges} measured={windowSeconds > 0} />
      </Section>
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
    </ul>
  );
}

function EdgeTable({ edges, measured }: { edges: readonly Edge[]; measured: boolean }): VNode {
  return (
    <div class="scroll">
      <table>
        <caption>Which identity called which Service</caption>
        <thead>
          <tr>
            <th scope="col">Caller’s identity</th>
            <th scope="col">Service</th>
            <th scope="col">Transport</th>
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
      <th scope="row" title={edge.caller}>
        {edge.caller === '' ? <em>no identity</em> : shortIdentity(edge.caller)}
      </th>
      <td title={edge.servers.join('\n')}>
        {edge.service === '' ? (
          <em>{edge.servers.map(shortIdentity).join(', ')}, no Service</em>
        ) : (
          edge.service
        )}
        {edge.ports.length > 0 && <span class="soft">:{edge.ports.join(', ')}</span>}
      </td>
      <td>
        <TlsChip tls={edge.tls} />
      </td>
      <td class="number" title={side}>
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
    <td colSpan={4} class="soft">
      {`${openConnections} open${bytes}`}
    </td>
  );
}

function HttpCells({ edge }: { edge: Edge }): VNode {
  const total = edge.seenBy === 'receiver' ? 'of all callers: this one has no proxy that measures' : '';
  return (
    <>
      <td class={`number ${successTone(edge.successRate)}`}>{formatPercent(edge.successRate)}</td>
      <td class="number" title={total}>
        {formatMs(edge.p50Ms)}
      </td>
      <td class="number" title={total}>
        {formatMs(edge.p99Ms)}
      </td>
      <td>
        {edge.failures.slice(0, 3).map(({ code, perSecond }) => (
          <Chip tone="bad" key={code}>
            {code} × {formatRate(perSecond)}/s
          </Chip>
        ))}
      </td>
    </>
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
              <th scope="row">{split.destination}</th>
              <td>{split.route}</td>
              <td>{backendText(split)}</td>
              <td class="share">
                <meter min={0} max={1} value={split.share ?? 0} aria-hidden="true" />
                {formatPercent(split.share)}
              </td>
              <td class="number">{formatRate(split.perSecond)}</td>
              <td class={`number ${successTone(split.successRate)}`}>{formatPercent(split.successRate)}</td>
              <td class="number">{formatMs(split.p50Ms)}</td>
              <td class="number">{formatMs(split.p99Ms)}</td>
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
