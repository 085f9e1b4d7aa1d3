import type { Dashboard, Row } from './panel.js';
import { CHOSEN, all, failures, perSecond, quantile, success } from './queries.js';

const INBOUND = all('direction="inbound"', CHOSEN);
const OUTBOUND = all('direction="outbound"', CHOSEN);
const WORKLOAD = 'namespace, workload';
const NAMED = '{{namespace}}/{{workload}}';
const CALL = 'workload, destination, route';
const DURATION = 'weft_request_duration_seconds';

const overview: Row = {
  title: 'Overview',
  panels: [
    {
      title: 'Requests',
      kind: 'stat',
      unit: 'reqps',
      queries: [{ expr: perSecond('weft_requests_total', INBOUND) }],
    },
    { title: 'Success', kind: 'stat', unit: 'percentunit', queries: [{ expr: success(INBOUND) }] },
    {
      title: 'Latency, p99',
      kind: 'stat',
      unit: 's',
      queries: [{ expr: quantile(0.99, DURATION, INBOUND) }],
    },
    {
      title: 'Over mutual TLS',
      kind: 'stat',
      unit: 'percentunit',
      queries: [
        {
          expr: `(${perSecond('weft_requests_total', all('tls="mutual"', INBOUND))} or vector(0)) / (${perSecond('weft_requests_total', INBOUND)} > 0)`,
        },
      ],
    },
    {
      title: 'Refused',
      description: 'By access rules.',
      kind: 'stat',
      unit: 'reqps',
      queries: [
        { expr: `${perSecond('weft_access_verdicts_total', all('verdict="denied"', CHOSEN))} or vector(0)` },
      ],
    },
    {
      title: 'Proxies',
      kind: 'stat',
      unit: 'short',
      queries: [{ expr: `count(weft_control_plane_connected{${CHOSEN}})` }],
    },
  ],
};

const workloads: Row = {
  title: 'What workloads answer',
  panels: [
    {
      title: 'Requests',
      kind: 'timeseries',
      unit: 'reqps',
      queries: [{ expr: perSecond('weft_requests_total', INBOUND, WORKLOAD), legend: NAMED }],
    },
    {
      title: 'Success',
      kind: 'timeseries',
      unit: 'percentunit',
      queries: [{ expr: success(INBOUND, WORKLOAD), legend: NAMED }],
    },
    {
      title: 'Latency',
      kind: 'timeseries',
      unit: 's',
      queries: [0.5, 0.99].map((q) => ({
        expr: quantile(q, DURATION, INBOUND, WORKLOAD),
        legend: `${NAMED} p${q * 100}`,
      })),
    },
    {
      title: 'Who calls',
      description: 'By identity; without one: callers outside the mesh.',
      kind: 'table',
      unit: 'reqps',
      width: 24,
      queries: [{ expr: perSecond('weft_requests_total', INBOUND, 'namespace, workload, peer, tls') }],
    },
  ],
};

const calls: Row = {
  title: 'What workloads call',
  panels: [
    {
      title: 'Calls',
      kind: 'timeseries',
      unit: 'reqps',
      queries: [
        {
          expr: perSecond('weft_requests_total', OUTBOUND, CALL),
          legend: '{{workload}} to {{destination}} {{route}}',
        },
      ],
    },
    {
      title: 'Success',
      kind: 'timeseries',
      unit: 'percentunit',
      queries: [{ expr: success(OUTBOUND, CALL), legend: '{{workload}} to {{destination}} {{route}}' }],
    },
    {
      title: 'Latency, p99',
      kind: 'timeseries',
      unit: 's',
      queries: [
        {
          expr: quantile(0.99, DURATION, OUTBOUND, CALL),
          legend: '{{workload}} to {{destination}} {{route}}',
        },
      ],
    },
    {
      title: 'Routes and backends',
      description: 'Requests a second, and failures.',
      kind: 'table',
      unit: 'reqps',
      width: 24,
      queries: [
        {
          expr: perSecond(
            'weft_requests_total',
            OUTBOUND,
            'namespace, workload, destination, route, backend',
          ),
        },
        { expr: failures(OUTBOUND, 'namespace, workload, destination, route, backend') },
      ],
    },
    {
      title: 'Sent once more',
      kind: 'timeseries',
      unit: 'reqps',
      queries: [
        {
          expr: perSecond('weft_retries_total', CHOSEN, 'destination, reason'),
          legend: '{{destination}} {{reason}}',
        },
        {
          expr: perSecond('weft_hedges_total', all('result="sent"', CHOSEN), 'destination'),
          legend: '{{destination}} hedge',
        },
      ],
    },
    {
      title: 'Retries withheld',
      kind: 'timeseries',
      unit: 'reqps',
      queries: [{ expr: perSecond('weft_retries_withheld_total', CHOSEN, 'reason'), legend: '{{reason}}' }],
    },
    {
      title: 'Endpoints ejected',
      kind: 'timeseries',
      unit: 'short',
      queries: [
        {
          expr: `max by (workload, destination) (weft_ejected_endpoints{${CHOSEN}})`,
          legend: '{{workload}} of {{destination}}',
        },
      ],
    },
  ],
};

const refusals: Row = {
  title: 'Who and what is refused',
  panels: [
    {
      title: 'Access',
      kind: 'timeseries',
      unit: 'reqps',
      queries: [
        {
          expr: perSecond('weft_access_verdicts_total', CHOSEN, 'workload, verdict, binding'),
          legend: '{{workload}} {{verdict}} {{binding}}',
        },
      ],
    },
    {
      title: 'In plain text',
      kind: 'timeseries',
      unit: 'cps',
      queries: [
        {
          expr: perSecond('weft_plain_connections_total', CHOSEN, 'workload, verdict'),
          legend: '{{workload}} {{verdict}}',
        },
      ],
    },
    {
      title: 'External checks',
      kind: 'timeseries',
      unit: 'reqps',
      queries: [
        {
          expr: perSecond('weft_external_checks_total', CHOSEN, 'policy, verdict'),
          legend: '{{policy}} {{verdict}}',
        },
      ],
    },
    {
      title: 'Rate limits',
      kind: 'timeseries',
      unit: 'reqps',
      queries: [
        {
          expr: perSecond('weft_rate_limit_refused_total', CHOSEN, 'policy, limit'),
          legend: '{{policy}} {{limit}}',
        },
        {
          expr: perSecond('weft_shared_limit_answers_total', CHOSEN, 'domain, answer'),
          legend: '{{domain}} {{answer}}',
        },
      ],
    },
    {
      title: 'Too much under way',
      kind: 'timeseries',
      unit: 'reqps',
      queries: [
        {
          expr: perSecond('weft_shed_total', CHOSEN, 'destination, reason'),
          legend: '{{destination}} {{reason}}',
        },
      ],
    },
    {
      title: 'Outside the mesh',
      kind: 'timeseries',
      unit: 'cps',
      queries: [
        {
          expr: perSecond('weft_egress_total', CHOSEN, 'workload, host, verdict'),
          legend: '{{workload}} to {{host}} {{verdict}}',
        },
      ],
    },
  ],
};

const bytes: Row = {
  title: 'Connections that carry bytes',
  panels: [
    {
      title: 'Open',
      kind: 'timeseries',
      unit: 'short',
      queries: [
        {
          expr: `sum by (workload, direction, destination) (weft_tcp_connections_open{${CHOSEN}})`,
          legend: '{{workload}} {{direction}} {{destination}}',
        },
      ],
    },
    {
      title: 'Opened',
      kind: 'timeseries',
      unit: 'cps',
      queries: [
        {
          expr: perSecond('weft_tcp_connections_total', CHOSEN, 'workload, direction, destination'),
          legend: '{{workload}} {{direction}} {{destination}}',
        },
      ],
    },
    {
      title: 'Bytes',
      kind: 'timeseries',
      unit: 'Bps',
      queries: [
        {
          expr: perSecond('weft_tcp_sent_bytes_total', CHOSEN, 'workload, direction'),
          legend: '{{workload}} {{direction}} sent',
        },
        {
          expr: perSecond('weft_tcp_received_bytes_total', CHOSEN, 'workload, direction'),
          legend: '{{workload}} {{direction}} received',
        },
      ],
    },
  ],
};

const proxies: Row = {
  title: 'Proxies',
  panels: [
    {
      title: 'Ended by the proxy itself',
      kind: 'timeseries',
      unit: 'reqps',
      queries: [
        {
          expr: perSecond('weft_errors_total', CHOSEN, 'direction, reason'),
          legend: '{{direction}} {{reason}}',
        },
      ],
    },
    {
      title: 'Connections that could not be opened',
      kind: 'timeseries',
      unit: 'cps',
      queries: [
        {
          expr: perSecond('weft_connect_failures_total', CHOSEN, 'direction, reason'),
          legend: '{{direction}} {{reason}}',
        },
      ],
    },
    {
      title: 'Past the mesh',
      kind: 'timeseries',
      unit: 'cps',
      queries: [
        {
          expr: perSecond('weft_passthrough_total', CHOSEN, 'direction, reason'),
          legend: '{{direction}} {{reason}}',
        },
      ],
    },
    {
      title: 'Memory of its limit',
      kind: 'timeseries',
      unit: 'percentunit',
      queries: [
        {
          expr: `max by (${WORKLOAD}) (weft_memory_used_bytes{${CHOSEN}} / (weft_memory_limit_bytes{${CHOSEN}} > 0))`,
          legend: NAMED,
        },
      ],
    },
    {
      title: 'Certificates end in',
      kind: 'timeseries',
      unit: 's',
      queries: [
        {
          expr: `min by (${WORKLOAD}) (weft_certificate_expiry_timestamp_seconds{${CHOSEN}} > 0) - time()`,
          legend: NAMED,
        },
      ],
    },
    {
      title: 'Without control plane, and configuration rejected',
      kind: 'timeseries',
      unit: 'short',
      queries: [
        {
          expr: `count(weft_control_plane_connected{${CHOSEN}} == 0) or vector(0)`,
          legend: 'without control plane',
        },
        { expr: `sum(weft_config_rejected{${CHOSEN}})`, legend: 'rejected resources' },
      ],
    },
    {
      title: 'Series of a proxy',
      description: 'What Prometheus read from one at most.',
      kind: 'timeseries',
      unit: 'short',
      queries: [
        { expr: `max by (${WORKLOAD}) (scrape_samples_scraped{job="weft-proxy", ${CHOSEN}})`, legend: NAMED },
      ],
    },
    {
      title: 'Lines of logs dropped',
      kind: 'timeseries',
      unit: 'cps',
      queries: [
        { expr: perSecond('weft_log_dropped_total', CHOSEN, WORKLOAD), legend: `${NAMED} log` },
        { expr: perSecond('weft_access_log_dropped_total', CHOSEN, WORKLOAD), legend: `${NAMED} access log` },
      ],
    },
  ],
};

/** Traffic, by the word of the proxies. */
export const MESH: Dashboard = {
  uid: 'weft-mesh',
  title: 'Weft / Mesh',
  description:
    'Requests, failures and latency of the workloads in the mesh, who calls whom, and what is refused.',
  variables: [
    { name: 'namespace', label: 'Namespace', query: 'label_values(weft_control_plane_connected, namespace)' },
    {
      name: 'workload',
      label: 'Workload',
      query: 'label_values(weft_control_plane_connected{namespace=~"$namespace"}, workload)',
    },
  ],
  rows: [overview, workloads, calls, refusals, bytes, proxies],
};
