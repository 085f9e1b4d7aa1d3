import Table from 'cli-table3';
import pc from 'picocolors';
import type { LoadReport } from '../support/app.js';
import { podsOf, proxyMetrics } from '../support/metrics.js';

/** Requests by caller identity, receiver identity and transport, as the receiving proxies counted them. */
export type Edges = ReadonlyMap<string, number>;

/** Which identity called which service in a namespace, from the inbound metrics of every meshed pod. */
export async function edgesOf(namespace: string): Promise<Edges> {
  const edges = new Map<string, number>();
  for (const pod of await podsOf(namespace, 'weft.dev/rev')) {
    for (const { name, labels, value } of await proxyMetrics(namespace, pod)) {
      if (name !== 'weft_requests_total' || labels['direction'] !== 'inbound') continue;
      const edge = [labels['peer'] ?? '', labels['destination'] ?? '', labels['tls'] ?? ''].join(' ');
      edges.set(edge, (edges.get(edge) ?? 0) + value);
    }
  }
  return edges;
}

export function printVersions(who: string, report: LoadReport): void {
  const table = new Table({
    head: [who, 'requests', 'share'].map((h) => pc.bold(h)),
    style: { head: [], border: [] },
  });
  for (const [combination, count] of Object.entries(report.versions).sort()) {
    const version = combination.split('+')[1] ?? combination; // web names its upstreams in order: catalog, reviews
    table.push([`reviews ${version}`, count, `${((100 * count) / report.requests).toFixed(1)} %`]);
  }
  console.log(table.toString());
}

export function printLoad(report: LoadReport): void {
  const ok = report.requests - report.failed;
  const { p50, p90, p99 } = report.millis;
  const table = new Table({
    head: ['requests', 'success', 'p50', 'p90', 'p99'].map((h) => pc.bold(h)),
    style: { head: [], border: [] },
  });
  table.push([
    report.requests,
    `${((100 * ok) / report.requests).toFixed(2)} %`,
    ...[p50, p90, p99].map(millis),
  ]);
  console.log(table.toString());
  for (const [failure, count] of Object.entries(report.failures))
    console.log(pc.red(`${count} x ${failure}`));
}

export function printEdges(before: Edges, after: Edges): void {
  const head = ['caller', 'service', 'transport', 'requests'].map((h) => pc.bold(h));
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const [edge, count] of [...after].sort()) {
    const [peer = '', service = '', tls = ''] = edge.split(' ');
    const fresh = count - (before.get(edge) ?? 0);
    if (fresh > 0)
      table.push([peer, service, tls === 'mutual' ? pc.green('mutual TLS') : pc.yellow(tls), fresh]);
  }
  console.log(table.toString());
}

function millis(value: number): string {
  return `${value.toFixed(1)} ms`;
}
