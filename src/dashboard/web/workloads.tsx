import type { VNode } from 'preact';
import type { HistoryView } from '../history-view.js';
import type { NamespaceView } from '../mesh-view.js';
import { Chip } from './chip.js';
import { withFold, type PageState } from './page-state.js';
import { Section } from './section.js';
import { SortHeads } from './sort-heads.js';
import { Spark } from './spark.js';
import type { ChangeState } from './use-page-state.js';
import { WORKLOAD_COLUMNS, type NamespaceRows } from './workload-rows.js';
import { WorkloadLines } from './workload-lines.js';
import { formatPercent, formatRate } from './format.js';

interface Choice {
  readonly history: HistoryView | undefined;
  readonly state: PageState;
  readonly change: ChangeState;
}

/** Meshed namespaces and what runs in them. */
export function Workloads({
  rows,
  ...choice
}: Choice & {
  /** Undefined where no namespace is in the mesh. */
  rows: readonly NamespaceRows[] | undefined;
}): VNode {
  if (rows === undefined) {
    return (
      <Section title="Workloads">
        <p class="empty">
          No namespace is in the mesh yet. <code>kubectl label namespace NAME weft.dev/inject=enabled</code>{' '}
          lets one join; then restart its workloads.
        </p>
      </Section>
    );
  }
  if (rows.length === 0) {
    return (
      <Section title="Workloads">
        <p class="empty">
          {choice.state.search.trim() === '' ? 'No workload has a problem.' : 'No pod matches.'}
        </p>
      </Section>
    );
  }
  return (
    <>
      {rows.map((each) => (
        <Folded key={each.namespace.name} rows={each} {...choice} />
      ))}
    </>
  );
}

/** A namespace whose heading folds and unfolds it. */
function Folded({ rows, ...choice }: Choice & { rows: NamespaceRows }): VNode {
  const { namespace, troubled, open, signals } = rows;
  const { history, state, change } = choice;
  const id = `pods-of-${namespace.name}`;
  return (
    <section>
      <h2>
        <button
          type="button"
          class="fold"
          aria-expanded={open}
          aria-controls={id}
          onClick={() => change(withFold(state, namespace.name, !open))}
        >
          {namespace.name}
        </button>
        <small>{noteOf(namespace)}</small>
        {troubled > 0 && <Chip tone="warn">{troubled === 1 ? '1 problem' : `${troubled} problems`}</Chip>}
        <span class="golden">
          {signals !== undefined && (
            <small>
              {formatRate(signals.perSecond)}/s, {formatPercent(signals.successRate)}
            </small>
          )}
          <Spark
            trace={history?.namespaces[namespace.name]}
            history={history}
            what={`requests in ${namespace.name}`}
          />
        </span>
      </h2>
      <div class="card" id={id} hidden={!open}>
        {open && <WorkloadTable rows={rows} {...choice} />}
      </div>
    </section>
  );
}

function noteOf({ labelled, pods, ended }: NamespaceView): string {
  const meshed = pods.filter(({ identity }) => identity !== '').length;
  return [
    `${meshed} of ${pods.length} pods in the mesh`,
    ...(ended === 0 ? [] : [`${ended} more ended`]),
    ...(labelled ? [] : ['the namespace itself is not labelled']),
  ].join('; ');
}

function WorkloadTable({
  rows: { namespace, workloads },
  ...choice
}: Choice & { rows: NamespaceRows }): VNode {
  if (workloads.length === 0) return <p class="empty">No pods.</p>;
  const { state, change } = choice;
  return (
    <div class="scroll">
      <table>
        <caption>Workloads of namespace {namespace.name}, by what they let in</caption>
        <thead>
          <tr>
            <SortHeads
              columns={WORKLOAD_COLUMNS}
              sort={state.workloads}
              onSort={(sort) => change({ ...state, workloads: sort })}
            />
            <th scope="col">Last 30 min</th>
            <th scope="col">Refused</th>
          </tr>
        </thead>
        <tbody>
          {workloads.map((row) => (
            <WorkloadLines key={row.key} namespace={namespace.name} row={row} {...choice} />
          ))}
        </tbody>
      </table>
    </div>
  );
}
