import type { VNode } from 'preact';
import type { HistoryView } from '../history-view.js';
import { Chip, successTone } from './chip.js';
import { formatMs, formatPercent, formatRate } from './format.js';
import { withPods, type PageState } from './page-state.js';
import { Pods } from './pods.js';
import { isTroubled } from './pod-state.js';
import { Spark } from './spark.js';
import type { ChangeState } from './use-page-state.js';
import { whyTroubled, type WorkloadRow } from './workload-rows.js';

/** A workload, what is wrong with it, and its pods where somebody asked for them. */
export function WorkloadLines({
  namespace,
  row,
  history,
  state,
  change,
}: {
  namespace: string;
  row: WorkloadRow;
  history: HistoryView | undefined;
  state: PageState;
  change: ChangeState;
}): VNode {
  const { key, workload, pods, signals } = row;
  const open = state.unfolded.includes(key);
  const id = `pods-${key.replaceAll('/', '-')}`;
  return (
    <>
      <tr>
        <th scope="row" class="cut" title={workload}>
          <button
            type="button"
            class="fold"
            aria-expanded={open}
            aria-controls={id}
            onClick={() => change(withPods(state, key, !open))}
          >
            {workload}
          </button>
        </th>
        <td data-title="Pods">
          <PodCount row={row} />
        </td>
        <SignalCells signals={signals} />
        <td data-title="30 minutes">
          <Spark trace={history?.workloads[key]} history={history} what={`requests of ${workload}`} />
        </td>
        <td data-title="Refused">
          {signals !== undefined && signals.denied > 0 ? (
            <Chip tone="warn">{signals.denied} refused</Chip>
          ) : (
            ''
          )}
        </td>
      </tr>
      {whyTroubled(row).map((why) => (
        <tr class="why" key={why}>
          <td colSpan={9}>{why}</td>
        </tr>
      ))}
      <tr class="pods" id={id} hidden={!open}>
        {open && (
          <td colSpan={9}>
            <Pods namespace={namespace} workload={workload} pods={pods} />
          </td>
        )}
      </tr>
    </>
  );
}

function SignalCells({ signals }: Pick<WorkloadRow, 'signals'>): VNode {
  return (
    <>
      <td class="number" data-title="Per second">
        {formatRate(signals?.perSecond ?? 0)}
      </td>
      <td class={`number ${successTone(signals?.successRate)}`} data-title="Success">
        {formatPercent(signals?.successRate)}
      </td>
      <td class="number" data-title="p50">
        {formatMs(signals?.p50Ms)}
      </td>
      <td class="number" data-title="p99">
        {formatMs(signals?.p99Ms)}
      </td>
      <td class="number" data-title="Mutual TLS">
        {formatPercent(signals?.mutualTls)}
      </td>
    </>
  );
}

function PodCount({ row: { pods } }: { row: WorkloadRow }): VNode {
  const troubled = pods.filter(isTroubled).length;
  if (troubled > 0) {
    return (
      <Chip tone="warn">
        {troubled} of {pods.length} with a problem
      </Chip>
    );
  }
  return <Chip tone="good">{pods.length} ready</Chip>;
}
