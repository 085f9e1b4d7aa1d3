import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { program } from '../cli/program.js';
import { groupedBy, metricRows, metricsOf, unknownIn } from './metric-tables.js';

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Relabeling {
  readonly sourceLabels?: readonly string[];
  readonly targetLabel?: string;
  readonly regex?: string;
  readonly replacement?: string;
}

const yaml = (path: string): unknown => parse(readFileSync(path, 'utf8'));
const { groups } = yaml('charts/weft/files/rules.yaml') as {
  groups: { name: string; rules: Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);
const alerts = rules.filter(({ alert }) => alert !== undefined);
const recorded = new Map(
  rules.flatMap(({ record, expr }) => (record === undefined ? [] : [[record, labelsOf(expr)] as const])),
);
/** What the operator and Grafana's sidecar take. */
const rendered = documents('deploy/monitoring.yaml') as readonly { kind: string; spec?: unknown }[];
const monitors = rendered.filter(({ kind }) => kind.endsWith('Monitor')) as readonly Monitor[];
const runbooks = readFileSync('docs/runbooks.md', 'utf8');

/** A rule that records a quantile keeps the labels of what it reads. */
function labelsOf(expr: string): readonly string[] {
  const [inner] = metricsOf(expr);
  const of = rules.find(({ record }) => record === inner?.name);
  return of === undefined ? groupedBy(expr) : groupedBy(of.expr);
}

test.each(rules.map((rule) => [rule.record ?? rule.alert ?? '', rule.expr]))(
  '%s reads metrics and labels that there are',
  (_name, expr) => {
    expect(metricsOf(expr)).not.toEqual([]);
    expect(unknownIn(expr, recorded)).toEqual([]);
  },
);

test('a metric or label that nobody writes is noticed', () => {
  expect(unknownIn('sum by (role) (rate(weft_retries_total{node="x", reason="y"}[5m]))', recorded)).toEqual([
    'weft_retries_total{node}',
    'role',
  ]);
  expect(unknownIn('weft_retry_total > 0', recorded)).toEqual(['weft_retry_total']);
});

test('what the page of the control plane calls worth an alert has one, and nothing else of its metrics', () => {
  const rows = metricRows('metrics-control-plane');
  const worth = rows.filter(({ alert }) => alert !== '').map(({ name }) => name);
  expect(worth.length).toBeGreaterThan(10);
  const used = alerts.flatMap(({ expr }) => metricsOf(expr)).map(({ name }) => name.replace(/_bucket$/, ''));
  const own = used.filter((name) => rows.some((row) => row.name === name));
  expect([...new Set(own)].sort()).toEqual(worth.toSorted());
});

describe.each(alerts.map((rule) => [rule.alert ?? '', rule] as const))('%s', (alert, rule) => {
  test('has a section in the runbooks, which its annotation leads to', () => {
    expect(rule.annotations?.['runbook_url']).toBe(
      `https://weft.dev/docs/runbooks.md#${alert.toLowerCase()}`,
    );
    const [, section = ''] = runbooks.split(`\n### ${alert}\n`);
    const [text = ''] = section.split(/\n##+ /);
    expect(text).toMatch(/\*\*Means:\*\*[^]*\*\*[Ff]ix:\*\*/);
  });

  test('has a severity, a summary and a description, and a test in which it fires', () => {
    expect(rule.labels?.['severity']).toMatch(/^(warning|critical)$/);
    expect(rule.annotations).toMatchObject({
      summary: expect.stringMatching(/\w/),
      description: expect.stringMatching(/\w/),
    });
    const cases = readFileSync('e2e/monitoring/alerts.yaml', 'utf8');
    expect(cases).toContain(`ALERTS{alertname="${alert}", alertstate="firing"`);
  });
});

test('the runbooks are about alerts that there are, and name commands that there are', () => {
  const sections = [...runbooks.matchAll(/^### (\w+)$/gm)].map(([, name]) => name);
  expect(sections.toSorted()).toEqual(alerts.map(({ alert }) => alert).sort());
  const commands = program().commands.map((command) => command.name());
  const named = [...runbooks.matchAll(/`weft ([a-z-]+)/g)].map(([, name = '']) => name);
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((name) => !commands.includes(name))).toEqual([]);
});

test('monitors of the operator relabel as the scrape configurations do', () => {
  const { scrape_configs: jobs } = yaml('charts/weft/files/scrape.yaml') as {
    scrape_configs: { job_name: string; relabel_configs: Record<string, unknown>[] }[];
  };
  const relabelings = monitors.flatMap(({ spec }) => spec.endpoints ?? spec.podMetricsEndpoints ?? []);
  expect(relabelings.map(({ port }) => port).sort()).toEqual(['http-health', 'weft-metrics']);
  for (const { relabelings: list } of relabelings) {
    const job = jobs.find(({ job_name: name }) => name === list[0]?.replacement);
    // What is kept and dropped, and the names of the pod, the operator writes itself.
    const written = job?.relabel_configs.filter(
      ({ action, target_label: target }) =>
        action === undefined && target !== 'namespace' && target !== 'pod',
    );
    expect(list.slice(1).map(asWritten)).toEqual(written);
  }
});

interface Monitor {
  readonly kind: string;
  readonly spec: Readonly<
    Partial<Record<'endpoints' | 'podMetricsEndpoints', { port: string; relabelings: Relabeling[] }[]>>
  >;
}

function asWritten({ sourceLabels, targetLabel, ...rest }: Relabeling): object {
  return { source_labels: sourceLabels, ...rest, target_label: targetLabel };
}

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly 'x-kubernetes-int-or-string'?: boolean;
}

/** What of a value a structural schema does not know, or misses. The API server is asked in the cluster's test. */
function objections(value: unknown, schema: Schema, path: string): readonly string[] {
  if (Array.isArray(value))
    return schema.type === 'array'
      ? value.flatMap((item, index) => objections(item, schema.items ?? {}, `${path}[${index}]`))
      : [`${path} is a list`];
  if (typeof value === 'object' && value !== null) return objectionsToFields(value, schema, path);
  if (schema['x-kubernetes-int-or-string'] === true) return [];
  const fits = schema.enum?.includes(value) ?? typeof value === schema.type;
  return fits ? [] : [`${path} is no ${schema.type}`];
}

function objectionsToFields(value: object, schema: Schema, path: string): readonly string[] {
  if (schema.type !== 'object') return [`${path} is an object`];
  const missing = (schema.required ?? []).filter((name) => !(name in value));
  const open = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
  return [
    ...missing.map((name) => `${path}.${name} is missing`),
    ...Object.entries(value).flatMap(([name, inner]) => {
      const known = schema.properties?.[name] ?? open;
      return known === undefined
        ? [`${path}.${name} is unknown`]
        : objections(inner, known, `${path}.${name}`);
    }),
  ];
}

describe('the kinds of the Prometheus operator', () => {
  interface Crd {
    readonly spec: {
      readonly names: { readonly kind: string };
      readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Schema } }[];
    };
  }
  const crds = documents('e2e/monitoring/prometheus-operator.yaml') as readonly Crd[];
  const written = rendered.filter(({ kind }) => kind !== 'ConfigMap');

  test.each(written.map((manifest) => [manifest.kind, manifest] as const))(
    '%s keeps to its schema',
    (kind, { spec }) => {
      const crd = crds.find((one) => one.spec.names.kind === kind);
      const schema = crd?.spec.versions[0]?.schema.openAPIV3Schema.properties?.['spec'] ?? {};
      expect(objections(spec, schema, 'spec')).toEqual([]);
      expect(objections({ ...(spec as object), groupz: 1 }, schema, 'spec')).toEqual([
        'spec.groupz is unknown',
      ]);
    },
  );

  test('all three are written', () => {
    expect(written.map(({ kind }) => kind).sort()).toEqual([
      'PodMonitor',
      'PrometheusRule',
      'ServiceMonitor',
    ]);
  });
});

test('the rule of the operator is the file that Prometheus reads', () => {
  const rule = rendered.find(({ kind }) => kind === 'PrometheusRule');
  expect(rule?.spec).toEqual(yaml('charts/weft/files/rules.yaml'));
});

function documents(path: string): readonly unknown[] {
  return parseAllDocuments(readFileSync(path, 'utf8'))
    .map((document) => document.toJS() as unknown)
    .filter((manifest) => manifest !== null);
}
