import { readFile } from 'node:fs/promises';
import { apply, kubectl } from './run.js';

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** Often, so that rates are there within seconds. */
const EVERY = '2s';

/** A Prometheus in a namespace of its own, outside of the mesh, that scrapes and judges as the files of the chart say. */
export async function startPrometheus(namespace: string): Promise<void> {
  const scrape = await readFile('charts/weft/files/scrape.yaml', 'utf8');
  const config = `global: {scrape_interval: ${EVERY}, scrape_timeout: ${EVERY}, evaluation_interval: ${EVERY}}\nrule_files: [/etc/prometheus/rules.yaml]\n${scrape}`;
  const rules = await readFile('charts/weft/files/rules.yaml', 'utf8');
  const metadata = { name: 'prometheus', namespace };
  const subject = { kind: 'ServiceAccount', ...metadata };
  await apply([
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: namespace },
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] }],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: namespace },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: namespace },
      subjects: [subject],
    },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata,
      data: { 'prometheus.yml': config, 'rules.yaml': rules },
    },
    deployment(namespace),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { selector: { app: 'prometheus' }, ports: [{ port: 9090 }] },
    },
  ]);
  await kubectl('rollout', 'status', '-n', namespace, 'deployment/prometheus', '--timeout=120s');
}

/** What is not in its namespace. */
export async function removePrometheus(namespace: string): Promise<void> {
  await kubectl(
    'delete',
    '--ignore-not-found',
    `clusterrole/${namespace}`,
    `clusterrolebinding/${namespace}`,
  );
}

function deployment(namespace: string): object {
  const labels = { app: 'prometheus' };
  const container = {
    name: 'prometheus',
    image: 'docker.io/weft/prometheus:dev',
    imagePullPolicy: 'IfNotPresent',
    args: ['--config.file=/etc/prometheus/prometheus.yml', '--storage.tsdb.path=/data'],
    ports: [{ containerPort: 9090 }],
    readinessProbe: { httpGet: { path: '/-/ready', port: 9090 }, periodSeconds: 1 },
    volumeMounts: [
      { name: 'config', mountPath: '/etc/prometheus' },
      { name: 'data', mountPath: '/data' },
    ],
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'prometheus', namespace },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: 'prometheus',
          securityContext: { fsGroup: 65532 },
          containers: [container],
          volumes: [
            { name: 'config', configMap: { name: 'prometheus' } },
            { name: 'data', emptyDir: {} },
          ],
        },
      },
    },
  };
}

/** The answer to a query; throws with what Prometheus has against it. */
export async function query(namespace: string, expr: string): Promise<readonly Series[]> {
  const path = `/api/v1/namespaces/${namespace}/services/prometheus:9090/proxy/api/v1/query?query=${encodeURIComponent(expr)}`;
  const answer = JSON.parse(await kubectl('get', '--raw', path)) as {
    readonly status: string;
    readonly data: { readonly result: readonly Series[] };
    readonly warnings?: readonly string[];
  };
  if (answer.status !== 'success' || answer.warnings !== undefined)
    throw new Error(`${expr}: ${JSON.stringify(answer)}`);
  return answer.data.result;
}
