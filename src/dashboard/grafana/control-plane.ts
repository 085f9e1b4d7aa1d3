import type { Dashboard, Panel, Row } from './panel.js';
import { perSecond, quantile } from './queries.js';

const REVISION = 'revision=~"$revision"';

/** A rate, by these labels, over time. */
function counted(title: string, metric: string, by: string, unit = 'cps'): Panel {
  return {
    title,
    kind: 'timeseries',
    unit,
    queries: [{ expr: perSecond(metric, REVISION, by), legend: legendOf(by) }],
  };
}

/** The 99th part of a histogram, over time. */
function slowest(title: string, metric: string, by = ''): Panel {
  return {
    title: `${title}, p99`,
    kind: 'timeseries',
    unit: 's',
    queries: [{ expr: quantile(0.99, metric, REVISION, by), legend: by === '' ? 'p99' : legendOf(by) }],
  };
}

function gauge(title: string, expr: string, { by = '', unit = 'short' } = {}): Panel {
  return {
    title,
    kind: 'timeseries',
    unit,
    queries: [{ expr, ...(by === '' ? {} : { legend: legendOf(by) }) }],
  };
}

/** Of Node.js and of the front, by pod. */
function bothProcesses(title: string, unit: string, expr: (process: string) => string): Panel {
  const processes = { process: 'Node.js', weft_front: 'front' };
  const queries = Object.entries(processes).map(([prefix, name]) => ({
    expr: expr(prefix),
    legend: `{{pod}} ${name}`,
  }));
  return { title, kind: 'timeseries', unit, queries };
}

function legendOf(by: string): string {
  return by
    .split(', ')
    .map((label) => `{{${label}}}`)
    .join(' ');
}

const rows: readonly Row[] = [
  {
    title: 'Overview',
    panels: [
      {
        title: 'Replicas',
        kind: 'stat',
        unit: 'short',
        queries: [{ expr: `count(weft_leader{${REVISION}})` }],
      },
      { title: 'Leaders', kind: 'stat', unit: 'short', queries: [{ expr: `sum(weft_leader{${REVISION}})` }] },
      {
        title: 'Proxies connected',
        kind: 'stat',
        unit: 'short',
        queries: [{ expr: `sum(weft_xds_streams{${REVISION}})` }],
      },
      {
        title: 'Issuer ends in',
        kind: 'stat',
        unit: 's',
        queries: [{ expr: `min(weft_certificate_expiry_seconds{role="issuer", ${REVISION}})` }],
      },
      {
        title: 'Pods without a proxy',
        kind: 'stat',
        unit: 'short',
        queries: [
          {
            expr: `sum(max by (kind) (weft_pods_without_proxy{kind=~"missing|forged", ${REVISION}})) or vector(0)`,
          },
        ],
      },
      {
        title: 'Objects not honoured',
        kind: 'stat',
        unit: 'short',
        queries: [{ expr: `sum(max by (kind) (weft_objects_not_honoured{${REVISION}})) or vector(0)` }],
      },
    ],
  },
  {
    title: 'Configuration',
    panels: [
      gauge('Proxies', `sum by (pod) (weft_xds_streams{${REVISION}})`, { by: 'pod' }),
      slowest('From a change to the last proxy', 'weft_xds_push_seconds'),
      slowest('One flush', 'weft_xds_flush_seconds'),
      counted('Responses', 'weft_xds_responses_total', 'pod'),
      counted('Rejected by proxies', 'weft_xds_nacks_total', 'type'),
      counted('Streams refused', 'weft_xds_refusals_total', 'reason'),
    ],
  },
  {
    title: 'Identity',
    panels: [
      gauge('Certificates end in', `min by (role) (weft_certificate_expiry_seconds{${REVISION}})`, {
        by: 'role',
        unit: 's',
      }),
      counted('Issued', 'weft_identity_certificates_issued_total', 'pod'),
      counted('Refused', 'weft_identity_refusals_total', 'reason'),
    ],
  },
  {
    title: 'Admission',
    panels: [
      counted('Reviews', 'weft_admission_reviews_total', 'outcome'),
      slowest('Answers', 'weft_admission_duration_seconds'),
      counted('Pods left out', 'weft_admission_skipped_total', 'reason'),
    ],
  },
  {
    title: 'The leader, and the API server',
    panels: [
      gauge('Keys that wait', `max by (queue) (weft_queue_depth{${REVISION}})`, { by: 'queue' }),
      slowest('Waiting', 'weft_queue_wait_seconds', 'queue'),
      counted('Work', 'weft_queue_reconciles_total', 'queue, result'),
      gauge('Kinds not heard of', `max by (kind) (weft_informer_stale_seconds{${REVISION}})`, {
        by: 'kind',
        unit: 's',
      }),
      counted('Requests to the API server', 'weft_kube_requests_total', 'method, code'),
      slowest('Their answers', 'weft_kube_request_seconds', 'method'),
    ],
  },
  {
    title: 'Processes',
    panels: [
      bothProcesses('Processors', 'short', (process) =>
        perSecond(`${process}_cpu_seconds_total`, REVISION, 'pod'),
      ),
      bothProcesses(
        'Memory',
        'bytes',
        (process) => `sum by (pod) (${process}_resident_memory_bytes{${REVISION}})`,
      ),
      gauge('Lag of the thread', `nodejs_eventloop_lag_p99_seconds{${REVISION}}`, { by: 'pod', unit: 's' }),
      gauge('Connections', `sum by (pod, listener) (weft_listener_connections{${REVISION}})`, {
        by: 'pod, listener',
      }),
      counted('Connections refused', 'weft_listener_refused_total', 'listener, reason'),
      gauge('Edges of the last half hour', `sum by (pod) (weft_telemetry_edges{${REVISION}})`, { by: 'pod' }),
    ],
  },
];

/** The control plane, by its own word. */
export const CONTROL_PLANE: Dashboard = {
  uid: 'weft-control-plane',
  title: 'Weft / Control plane',
  description:
    'Proxies connected, how soon changes reach them, certificates, the webhook, and the work of the leader.',
  variables: [{ name: 'revision', label: 'Revision', query: 'label_values(weft_leader, revision)' }],
  rows,
};
