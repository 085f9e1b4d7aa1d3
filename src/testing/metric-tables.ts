import { readFileSync } from 'node:fs';

/** A row of a page about metrics. */
export interface MetricRow {
  readonly name: string;
  readonly labels: readonly string[];
  /** What is worth an alert, on the page of the control plane. */
  readonly alert: string;
}

/** The tables of a page about metrics. Other tests hold them to what the code registers. */
export function metricRows(page: 'metrics-control-plane' | 'metrics-proxy'): readonly MetricRow[] {
  const text = readFileSync(`docs/${page}.md`, 'utf8');
  return [...text.matchAll(/^\| `(weft_\w+)` \|([^|]*)\|[^|]*\|(?:([^|\n]*)\|)?$/gm)].map(
    ([, name = '', labels = '', alert = '']) => ({
      name,
      // Values stand behind the label, in parentheses.
      labels: [...labels.replaceAll(/\([^)]*\)/g, '').matchAll(/`(\w+)`/g)].map(([, label = '']) => label),
      alert: alert.trim(),
    }),
  );
}

/** One metric of an expression, with the labels that it is selected by. */
export interface Selected {
  readonly name: string;
  readonly labels: readonly string[];
}

/** Words of PromQL that are no metric. */
const WORDS = new Set(
  'sum min max avg count by on or and unless bool offset rate increase absent time vector le histogram_quantile avg_over_time max_over_time'.split(
    ' ',
  ),
);
const LISTS = /\b(?:by|on|without|ignoring) \(([^)]*)\)/g;

/** The metrics of an expression. */
export function metricsOf(expr: string): readonly Selected[] {
  const found: Selected[] = [];
  for (const [, name = '', matchers = ''] of expr
    .replaceAll(LISTS, '')
    .replaceAll(/\[[^\]]*\]/g, '')
    .matchAll(/(?<![\w:])([a-zA-Z_:][\w:]*)(?:\{((?:"[^"]*"|[^"}])*)\})?/g)) {
    if (WORDS.has(name)) continue;
    const labels = [...matchers.matchAll(/(\w+)(?:=~|!~|!=|=)"[^"]*"/g)].map(([, label = '']) => label);
    found.push({ name, labels });
  }
  return found;
}

/** The labels that an expression groups by. */
export function groupedBy(expr: string): readonly string[] {
  return [...expr.matchAll(LISTS)].flatMap(([, list = '']) => list.split(',').map((label) => label.trim()));
}

/** What a scrape adds to each series; docs/prometheus.md says so. */
export const TARGET_LABELS = ['job', 'instance', 'namespace', 'pod', 'workload', 'revision'];

/** Of others: Prometheus itself, Node.js, and the API server. */
const FOREIGN: Readonly<Record<string, readonly string[]>> = {
  up: [],
  scrape_samples_scraped: [],
  nodejs_eventloop_lag_p99_seconds: [],
  process_cpu_seconds_total: [],
  process_resident_memory_bytes: [],
  apiserver_admission_webhook_rejection_count: ['name', 'operation', 'type', 'error_type', 'rejection_code'],
};

/** What is wrong with an expression: metrics and labels that nobody writes. `recorded` are the labels of recording rules, by name. */
export function unknownIn(expr: string, recorded: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const written = new Map<string, readonly string[]>(Object.entries(FOREIGN));
  for (const { name, labels } of [...metricRows('metrics-control-plane'), ...metricRows('metrics-proxy')]) {
    written.set(name, labels);
    written.set(`${name}_bucket`, [...labels, 'le']);
  }
  for (const [name, labels] of recorded) written.set(name, labels);
  const used = metricsOf(expr);
  const grouped = new Set(used.flatMap(({ name }) => written.get(name) ?? []).concat(TARGET_LABELS));
  return [
    ...used.flatMap(({ name, labels }) => {
      const known = written.get(name);
      if (known === undefined) return [name];
      const strange = labels.filter((label) => !known.includes(label) && !TARGET_LABELS.includes(label));
      return strange.map((label) => `${name}{${label}}`);
    }),
    ...groupedBy(expr).filter((label) => !grouped.has(label)),
  ];
}
