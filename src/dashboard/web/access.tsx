import type { VNode } from 'preact';
import type { AccessView } from '../access-view.js';
import type { HistoryView } from '../history-view.js';
import type { MeshView } from '../mesh-view.js';
import { accessRows, callerName, cellText, shownAccess, type AccessRow, type Met } from './access-rows.js';
import { Chip } from './chip.js';
import type { PageState } from './page-state.js';
import { usePolled } from './poll.js';
import { Section } from './section.js';
import type { ChangeState } from './use-page-state.js';

const EVERY_MS = 10_000;
/** So many odd cells are told in words; the table has them all. */
const TOLD = 8;

/** Who may call whom in a namespace, beside who does. */
export function Access({
  view,
  history,
  state,
  change,
}: {
  view: MeshView;
  history: HistoryView | undefined;
  state: PageState;
  change: ChangeState;
}): VNode {
  const names = view.namespaces.map(({ name }) => name);
  const [first = ''] = names;
  const namespace = names.includes(state.namespace) ? state.namespace : first;
  const path = pathOf(namespace);
  const { value: access, error = '' } = usePolled<AccessView>(path, EVERY_MS);
  if (namespace === '') {
    return (
      <Section title="Access">
        <p class="empty">No namespace is in the mesh yet.</p>
      </Section>
    );
  }
  return (
    <Section title="Who may call whom, and who does" note="the last 30 minutes">
      <div class="bar">
        <label>
          Namespace{' '}
          <select
            value={namespace}
            onChange={({ currentTarget }) => change({ ...state, namespace: currentTarget.value })}
          >
            {names.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {access !== undefined && <span class="soft">Where no binding decides: {access.byDefault}</span>}
      </div>
      {error !== '' && <p class="empty">The rules cannot be read: {error}</p>}
      {access === undefined && error === '' && <p class="empty loading">Reading the rules …</p>}
      {access !== undefined && (
        <Read access={access} rows={accessRows(access, view.edges, history)} state={state} />
      )}
    </Section>
  );
}

function pathOf(namespace: string): string | undefined {
  return namespace === '' ? undefined : `/api/access?namespace=${encodeURIComponent(namespace)}`;
}

function Read({
  access,
  rows,
  state,
}: {
  access: AccessView;
  rows: readonly AccessRow[];
  state: PageState;
}): VNode {
  return (
    <>
      <Odd rows={rows} />
      <Matrix access={access} rows={shownAccess(rows, state)} />
      {access.notes.map((note) => (
        <p class="note" key={note}>
          {note}
        </p>
      ))}
    </>
  );
}

/** What is refused and tried, and what is allowed by name and never used. */
function Odd({ rows }: { rows: readonly AccessRow[] }): VNode {
  const of = (odd: Met['odd']): readonly string[] =>
    rows.flatMap(({ caller, cells }) =>
      cells.filter((cell) => cell.odd === odd).map(({ service }) => `${callerName(caller)} → ${service}`),
    );
  return (
    <dl class="odd">
      <OddList title="Refused, and tried" tone="bad" calls={of('refused')} />
      <OddList title="Allowed by a binding, and never used" tone="warn" calls={of('unused')} />
    </dl>
  );
}

function OddList({
  title,
  tone,
  calls,
}: {
  title: string;
  tone: 'bad' | 'warn';
  calls: readonly string[];
}): VNode {
  return (
    <div>
      <dt>{title}</dt>
      <dd>
        {calls.length === 0 && <span class="soft">none</span>}
        {calls.slice(0, TOLD).map((call) => (
          <Chip tone={tone} key={call}>
            {call}
          </Chip>
        ))}
        {calls.length > TOLD && <span class="soft">and {calls.length - TOLD} more</span>}
      </dd>
    </div>
  );
}

const MARKS: Readonly<Record<Met['may'], string>> = { all: '●', some: '◐', none: '×' };

function Matrix({ access, rows }: { access: AccessView; rows: readonly AccessRow[] }): VNode {
  if (access.services.length === 0) return <p class="empty">No Service of this namespace has pods.</p>;
  if (rows.length === 0) return <p class="empty">No caller matches.</p>;
  return (
    <>
      <ul class="legend" aria-label="Legend">
        <li>
          <span class="mark all calls">●</span> allowed, and called
        </li>
        <li>
          <span class="mark all never">●</span> allowed, not called
        </li>
        <li>
          <span class="mark some never">◐</span> some requests
        </li>
        <li>
          <span class="mark none never">×</span> refused
        </li>
        <li>
          <span class="mark none tried">×</span> refused, and tried
        </li>
      </ul>
      <div class="scroll" tabIndex={0} role="group" aria-label="Access, scrolls">
        <table class="matrix">
          <caption>Callers in rows, Services of {access.namespace} in columns</caption>
          <thead>
            <tr>
              <th scope="col">Caller</th>
              {access.services.map((name) => (
                <th scope="col" key={name} class="service">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ caller, cells }) => (
              <tr key={caller}>
                <th scope="row" class="cut" title={caller}>
                  {callerName(caller)}
                </th>
                {cells.map((cell) => (
                  <td key={cell.service} data-title={cell.service} title={cellText(cell)}>
                    <span class={`mark ${cell.may} ${cell.does}`} role="img" aria-label={cellText(cell)}>
                      {MARKS[cell.may]}
                    </span>
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
