import {
  byCall,
  byNamespace,
  byService,
  byWorkload,
  type Minutes,
  type Row,
  type SeenEdge,
} from '../telemetry/index.js';
import { callKey } from './edges.js';
import type { HistoryView, Trace } from './history-view.js';

/** What happened in each minute, by call, workload, Service and namespace. */
export function historyOf({ minutes, partial, endedMs, notes }: Minutes, now: number): HistoryView {
  return {
    endedAt: new Date(now - endedMs).toISOString(),
    known: minutes.map((edges) => edges !== undefined),
    partial,
    notes,
    calls: traces(minutes, byCall, callKey),
    workloads: traces(minutes, byWorkload, rowKey),
    services: traces(minutes, byService, rowKey),
    namespaces: traces(minutes, byNamespace, ({ name }) => name),
  };
}

/** What tells a workload or Service from others. */
export function rowKey({ namespace, name }: Pick<Row, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`;
}

function traces<T extends Row>(
  minutes: Minutes['minutes'],
  group: (edges: readonly SeenEdge[]) => readonly T[],
  keyOf: (row: T) => string,
): Record<string, Trace> {
  const found = new Map<string, { readonly rates: number[]; readonly failing: number[] }>();
  for (const [minute, edges] of minutes.entries()) {
    for (const row of group(edges ?? [])) {
      const key = keyOf(row);
      const trace = found.get(key) ?? { rates: zeros(minutes.length), failing: zeros(minutes.length) };
      found.set(key, trace);
      const { perSecond, connectionsPerSecond, successRate = 1, denied } = row.signals;
      trace.rates[minute] = rounded(perSecond > 0 ? perSecond : connectionsPerSecond);
      trace.failing[minute] = rounded(perSecond * (1 - successRate) + denied / MINUTE_SECONDS);
    }
  }
  return Object.fromEntries(found);
}

const MINUTE_SECONDS = 60;

function zeros(length: number): number[] {
  return new Array<number>(length).fill(0);
}

/** A picture of thirty points needs no more digits. */
function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
