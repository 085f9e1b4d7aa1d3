import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { MeshView } from '../mesh-view.js';
import { Chip, type Tone } from './chip.js';
import { formatMs } from './format.js';
import { LiveFilters } from './live-filters.js';
import {
  MOST_ROWS,
  isFine,
  isTroubled,
  liveRows,
  otherSide,
  saidOf,
  whatOf,
  type Live as Heard,
  type LiveRow,
} from './live-rows.js';
import { NumberHead } from './number-head.js';
import type { PageState } from './page-state.js';
import { Section } from './section.js';
import type { ChangeState } from './use-page-state.js';
import { useTap, type Watch } from './use-tap.js';

/** Requests as they pass, for whoever may watch them, while the page is here. */
export function Live({
  view,
  state,
  change,
}: {
  view: MeshView;
  state: PageState;
  change: ChangeState;
}): VNode {
  // Not a part of the address: a link leads here, and whoever follows it decides whether to watch.
  const [watch, setWatch] = useState<Watch>();
  const live = useTap(watch);
  const names = view.namespaces.map(({ name }) => name);
  const [first = ''] = names;
  const namespace = names.includes(state.namespace) ? state.namespace : first;
  if (namespace === '') {
    return (
      <Section title="Live requests">
        <p class="empty">No namespace is in the mesh yet.</p>
      </Section>
    );
  }
  const isOn = live.state === 'asking' || live.state === 'watching';
  const query = new URLSearchParams({ namespace, ...state.tap }).toString();
  return (
    <Section title="Live requests" note="as proxies tell of them, when they end; as weft tap shows them">
      <LiveFilters
        view={view}
        namespace={namespace}
        state={state}
        change={change}
        isOn={isOn}
        onWatch={() => setWatch({ path: `/api/tap?${query}` })}
        onStop={() => setWatch(undefined)}
      />
      <p class="note" role="status">
        {wordsOf(live)}
      </p>
      {live.state !== 'none' && <Requests rows={liveRows(live.rows, state)} any={live.rows.length > 0} />}
      {live.notes.map((note) => (
        <p class="note" key={note}>
          {note}
        </p>
      ))}
    </Section>
  );
}

function wordsOf({ state, proxies, seen, leftOut }: Heard): string {
  const left = leftOut === 0 ? '' : `; ${leftOut} more were too many to tell`;
  const shown = seen > MOST_ROWS ? `, of which the last ${MOST_ROWS} are shown` : '';
  const told = `${seen === 1 ? '1 request' : `${seen} requests`}${shown}${left}.`;
  switch (state) {
    case 'none':
      return 'Nothing is watched until you say so. It ends when you leave this view, and after ten minutes at the latest.';
    case 'asking':
      return 'Asking the proxies …';
    case 'watching':
      return `Watching ${proxies === 1 ? '1 proxy' : `${proxies} proxies`}: ${told}`;
    case 'ended':
      return `Stopped: ${told}`;
    case 'failed':
      return `It cannot be watched, or not any more: ${told}`;
  }
}

function Requests({ rows, any }: { rows: readonly LiveRow[]; any: boolean }): VNode {
  if (rows.length === 0)
    return <p class="empty">{any ? 'No request matches.' : 'No request has ended yet.'}</p>;
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Live requests, scrolls">
      <table class="live">
        <caption>Requests as they ended, newest first</caption>
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">Pod</th>
            <th scope="col">Request</th>
            <NumberHead>Status</NumberHead>
            <NumberHead>Took</NumberHead>
            <th scope="col">Verdict</th>
            <th scope="col">Other side</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <Line key={row.number} row={row} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Line({ row }: { row: LiveRow }): VNode {
  const { time, pod, side, durationMs, route, attempts, tls } = row;
  const called = side === 'caller';
  return (
    <tr>
      <th scope="row">
        <time dateTime={time}>{time.slice(11, 23)}</time>
      </th>
      <td class="cut" data-title="Pod" title={pod}>
        <span class="soft">{called ? 'called:' : 'received:'}</span> {pod}
      </td>
      <td class="request" data-title="Request">
        {whatOf(row)}
        {route !== '' && <span class="soft"> route {route}</span>}
      </td>
      <StatusCell row={row} />
      <td class="number" data-title="Took">
        {formatMs(durationMs)}
      </td>
      <td data-title="Verdict">
        <Chip tone={toneOf(row)}>{saidOf(row)}</Chip>
        {attempts > 1 && <Chip tone="warn">{attempts} attempts</Chip>}
      </td>
      <td class="cut" data-title={called ? 'To' : 'From'}>
        <span class="soft">{called ? 'to' : 'from'}</span> {otherSide(row)}
        {tls === 'none' && <Chip tone="warn">plain text</Chip>}
      </td>
    </tr>
  );
}

function StatusCell({ row: { status, grpcStatus } }: { row: LiveRow }): VNode {
  return (
    <td class={(status ?? 0) >= 500 ? 'number bad' : 'number'} data-title="Status">
      {status ?? '–'}
      {grpcStatus !== undefined && <span class="soft"> grpc {grpcStatus}</span>}
    </td>
  );
}

function toneOf(row: LiveRow): Tone {
  if (row.verdict === 'cancelled') return 'quiet';
  if (!isFine(row.verdict)) return 'bad';
  return isTroubled(row) ? 'warn' : 'good';
}
