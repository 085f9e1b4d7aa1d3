import type { VNode } from 'preact';
import { shortIdentity } from '../identity-name.js';
import type { NamespaceView, PodView } from '../mesh-view.js';
import { Chip } from './chip.js';
import { withFold, type PageState } from './page-state.js';
import { POD_COLUMNS, stateOf, type NamespaceRows } from './pod-rows.js';
import { Section } from './section.js';
import { SortHeads } from './sort-heads.js';
import type { ChangeState } from './use-page-state.js';

interface Choice {
  readonly state: PageState;
  readonly change: ChangeState;
}

/** Meshed namespaces and what runs in them. */
export function Workloads({
  rows,
  state,
  change,
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
        <p class="empty">{state.search.trim() === '' ? 'No pod has a problem.' : 'No pod matches.'}</p>
      </Section>
    );
  }
  return (
    <>
      {rows.map((each) => (
        <Folded key={each.namespace.name} rows={each} state={state} change={change} />
      ))}
    </>
  );
}

/** A namespace whose heading folds and unfolds it. */
function Folded({ rows, state, change }: Choice & { rows: NamespaceRows }): VNode {
  const { namespace, pods, troubled, open } = rows;
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
          Workloads in {namespace.name}
        </button>
        <small>{noteOf(namespace)}</small>
        {troubled > 0 && <Chip tone="warn">{troubled === 1 ? '1 problem' : `${troubled} problems`}</Chip>}
      </h2>
      <div class="card" id={id} hidden={!open}>
        {open && <PodTable name={namespace.name} pods={pods} state={state} change={change} />}
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

function PodTable({ name, pods, state, change }: Choice & { name: string; pods: readonly PodView[] }): VNode {
  if (pods.length === 0) return <p class="empty">No pods.</p>;
  return (
    <div class="scroll">
      <table>
        <caption>Pods of namespace {name}</caption>
        <thead>
          <tr>
            <SortHeads
              columns={POD_COLUMNS}
              sort={state.pods}
              onSort={(sort) => change({ ...state, pods: sort })}
            />
          </tr>
        </thead>
        <tbody>
          {pods.map((pod) => (
            <PodRow key={pod.name} pod={pod} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function PodRow({ pod }: { pod: PodView }): VNode {
  const { tone, text } = stateOf(pod);
  return (
    <>
      <tr>
        <th scope="row" class="cut" title={pod.name}>
          {pod.name}
        </th>
        <td class="cut" data-title="Workload" title={pod.workload}>
          {pod.workload}
        </td>
        <td class="cut" data-title="Identity" title={pod.identity}>
          {pod.identity === '' ? <span class="soft">–</span> : shortIdentity(pod.identity)}
        </td>
        <td class="cut" data-title="Proxy" title={pod.proxyVersion}>
          {pod.proxyVersion === '' ? <span class="soft">none</span> : pod.proxyVersion}
        </td>
        <td class={pod.lacksProxy ? 'wrap warn' : 'wrap'} data-title="Injection">
          {pod.injection}
        </td>
        <td data-title="State">
          <Chip tone={tone}>{text}</Chip>
        </td>
      </tr>
      {pod.scrapeError !== '' && (
        <tr class="why">
          <td colSpan={6}>
            The proxy’s metrics cannot be read, so its traffic is missing or out of date: {pod.scrapeError}
          </td>
        </tr>
      )}
    </>
  );
}
