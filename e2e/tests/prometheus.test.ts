import { readFile, readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { metricsOf } from '../../src/testing/metric-tables.js';
import { deploy, inPod, load, namespace } from '../support/app.js';
import { query, removePrometheus, startPrometheus } from '../support/prometheus.js';
import { apply, eventually, kubectl, run } from '../support/run.js';
import { weftObject } from '../support/policy.js';

// A real Prometheus outside of the mesh scrapes the whole cluster with the chart's own files, and is asked each query of rules and dashboards.

const NS = 'e2e-prometheus';
const MONITORING = 'e2e-prometheus-outside';
const IMAGES = join(homedir(), '.cache/weft/image');
const SERVER = `http://server.${NS}:8080`;

/** Families that have no series until something happens that does not happen here, or not for sure. */
const QUIET =
  /^weft_(retries|retries_withheld|hedges|ejected_endpoints|access_verdicts|external_checks|rate_limit_refused|shared_limit_answers|shed|egress|errors|connect_failures|passthrough|access_log_dropped|xds_nacks|xds_refusals|identity_refusals|admission_skipped|listener_refused)(_total)?$|^workload:weft_(denied|limited)/;

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
}

async function rules(): Promise<readonly Rule[]> {
  const { groups } = parse(await readFile('charts/weft/files/rules.yaml', 'utf8')) as {
    groups: readonly { rules: readonly Rule[] }[];
  };
  return groups.flatMap((group) => group.rules);
}

/** The queries of the dashboards, with everything chosen. */
async function panels(): Promise<readonly { readonly title: string; readonly expr: string }[]> {
  const folder = 'charts/weft/files/dashboards';
  const files = await readdir(folder);
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  return texts.flatMap((text) => {
    const { title, panels: all } = JSON.parse(text) as {
      title: string;
      panels: readonly { title: string; targets?: readonly { expr: string }[] }[];
    };
    return all.flatMap((panel) =>
      (panel.targets ?? []).map(({ expr }) => ({
        title: `${title}: ${panel.title}`,
        expr: expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$(namespace|workload|revision)/g, '.*'),
      })),
    );
  });
}

const call = (from: string, pod: string, path: string, count = 20): Promise<unknown> =>
  load(from, `deploy/${pod}`, '-url', `${SERVER}${path}`, '-rate', '20', '-count', String(count));

beforeAll(async () => {
  await run('e2e/apps/prometheus.sh', [], { timeout: 900_000 });
  await run('e2e/cluster/load-image.sh', [join(IMAGES, 'prometheus.tar')]);
  await apply([namespace(NS), namespace(MONITORING, {})]);
  await deploy(
    { namespace: NS, name: 'server' },
    { namespace: NS, name: 'client' },
    { namespace: MONITORING, name: 'plain' },
  );
  await startPrometheus(MONITORING);
}, 1_200_000);

afterAll(async () => {
  await removePrometheus(MONITORING);
  await kubectl('delete', 'namespace', NS, MONITORING, '--wait=false');
});

test('promtool finds nothing wrong with the rules, and each alert fires on what it is about', async () => {
  const promtool = join(IMAGES, 'promtool');
  await run(promtool, ['check', 'rules', '--lint=all', '--lint-fatal', 'charts/weft/files/rules.yaml']);
  await run(promtool, ['test', 'rules', 'e2e/monitoring/alerts.yaml']);
});

test('proxies and control plane are scraped, each once, with the labels that the rules count on', async () => {
  await eventually('both jobs have targets that answer', async () => {
    const up = await query(MONITORING, 'count by (job) (up{job=~"weft-.+"} == 1)');
    return up.length === 2;
  });
  await eventually('the proxies of the test are told apart by workload', async () => {
    const found = await query(
      MONITORING,
      `count by (workload) (weft_control_plane_connected{namespace="${NS}"} == 1)`,
    );
    const counted = Object.fromEntries(found.map(({ metric, value }) => [metric['workload'], value[1]]));
    return counted['client'] === '1' && counted['server'] === '1' && found.length === 2;
  });
  expect((await query(MONITORING, 'count by (revision) (weft_leader)')).map(({ metric }) => metric)).toEqual([
    { revision: 'default' },
  ]);
});

test('no query of rules and dashboards is an error, and those about what happened have data', async () => {
  await eventually('there is traffic, of a failure too, over two scrapes', async () => {
    await call(NS, 'client', '/');
    await call(NS, 'client', '/status/500', 2);
    await call(MONITORING, 'plain', '/', 2);
    await inPod(NS, 'deploy/client', 'tcp', '-address', `server.${NS}:7000`);
    const recorded = await query(
      MONITORING,
      `workload_route:weft_request_failures:rate5m{namespace="${NS}"} > 0`,
    );
    const bytes = await query(
      MONITORING,
      `workload_destination:weft_tcp_connections:rate5m{namespace="${NS}"} > 0`,
    );
    return recorded.length > 0 && bytes.length > 0;
  });
  const asked = [
    ...(await rules()).map(({ record, alert, expr }) => ({
      title: record ?? '',
      quiet: alert !== undefined,
      expr,
    })),
    ...(await panels()).map((panel) => ({ ...panel, quiet: false })),
  ];
  expect(asked.length).toBeGreaterThan(80);
  const empty: string[] = [];
  for (const { title, expr, quiet } of asked) {
    const found = await query(MONITORING, expr);
    const expected = !quiet && !metricsOf(expr).some(({ name }) => QUIET.test(name));
    if (expected && found.length === 0) empty.push(`${title}: ${expr}`);
  }
  expect(empty).toEqual([]);
});

test('a cluster that is well has none of the alerts about one that is not', async () => {
  const names =
    'WeftControlPlaneDown|WeftLeaders|WeftSettingsDiffer|WeftProxyCertificateEnds|WeftCertificateEnds|WeftIssuerEndsSoon';
  expect(await query(MONITORING, `ALERTS{alertname=~"${names}"}`)).toEqual([]);
});

test('in strict mode callers in plain text are refused, and proxies are scraped as before', async () => {
  await apply(weftObject('MeshTLSPolicy', NS, 'default', { mode: 'Strict' }));
  await kubectl('wait', '-n', NS, '--for=condition=Programmed', 'meshtlspolicy/default', '--timeout=60s');
  await eventually('plain callers are refused, and Prometheus knows it', async () => {
    const report = await load(MONITORING, 'deploy/plain', '-url', `${SERVER}/`, '-count', '5', '-rate', '50');
    expect(report.statuses['200'] ?? 0).toBe(0);
    const refused = `sum(weft_plain_connections_total{namespace="${NS}", workload="server", verdict="refused"})`;
    const [seen] = await query(MONITORING, refused);
    return Number(seen?.value[1] ?? 0) > 0;
  });
  const down = await query(MONITORING, `up{job="weft-proxy", namespace="${NS}"} == 0`);
  expect(down).toEqual([]);
  expect(await query(MONITORING, `up{job="weft-proxy", namespace="${NS}"} == 1`)).toHaveLength(2);
});

test('the API server takes what the chart writes for the Prometheus operator', async () => {
  const kinds = 'e2e/monitoring/prometheus-operator.yaml';
  await kubectl('apply', '--server-side', '-f', kinds);
  try {
    await kubectl('wait', '--for=condition=Established', '-f', kinds, '--timeout=30s');
    const said = await eventually('all kinds are served', () =>
      kubectl(
        'apply',
        '--server-side',
        '--dry-run=server',
        '--validate=strict',
        '-f',
        'deploy/monitoring.yaml',
      ),
    );
    expect(said.match(/serverside-applied \(server dry run\)/g)).toHaveLength(5);
  } finally {
    await kubectl('delete', '-f', kinds);
  }
});
