import type { VNode } from 'preact';
import { NumberHead } from './number-head.js';
import type { Split } from '../splits.js';
import { successTone } from './chip.js';
import { formatMs, formatPercent, formatRate } from './format.js';

/** How callers' proxies divided the requests of routes. */
export function SplitTable({ splits }: { splits: readonly Split[] }): VNode {
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
            <NumberHead>Per second</NumberHead>
            <NumberHead>Success</NumberHead>
            <NumberHead>p50</NumberHead>
            <NumberHead>p99</NumberHead>
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
                {split.wanted !== undefined && (
                  <span class="soft"> of {formatPercent(split.wanted)} wanted</span>
                )}
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
