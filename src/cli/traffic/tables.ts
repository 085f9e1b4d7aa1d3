import { shortIdentity } from '../../dashboard/index.js';
import type { Call, RouteRow, Row, Signals } from '../../telemetry/index.js';
import type { Page } from '../page.js';

/** Below this a success rate is marked. */
const GOOD = 0.995;
const BAD = 0.95;

const COLUMNS = ['SUCCESS', 'RPS', 'P50', 'P95', 'P99', 'MTLS', 'DENIED', 'WOULD DENY', 'RETRIES'] as const;
const WIDE_COLUMNS = ['LIMITED', 'WOULD LIMIT', 'OPEN', 'CONN/S'] as const;

export interface TableOptions {
  readonly page: Page;
  readonly wide: boolean;
}

/** Deployments, namespaces or Services. */
export function rowsTable(rows: readonly Row[], { page, wide }: TableOptions): string {
  const named = rows.some(({ namespace }) => namespace !== '');
  const head = [...(named ? ['NAMESPACE'] : []), 'NAME', ...columns(wide)];
  return page.table(
    head,
    rows.map((row) => [...(named ? [row.namespace] : []), row.name, ...cells(row.signals, { page, wide })]),
  );
}

export function callsTable(calls: readonly Call[], { page, wide }: TableOptions): string {
  const head = ['FROM', 'TO', 'TLS', ...columns(wide), ...(wide ? ['SEEN BY', 'RULES'] : [])];
  return page.table(
    head,
    calls.map((call) => [
      callerName(call.caller),
      call.callee === '' ? '(outside)' : call.callee,
      tlsText(call.tls, page),
      ...cells(call.signals, { page, wide }),
      ...(wide ? [call.seenBy, call.rules.join(' ') || '-'] : []),
    ]),
  );
}

export function routesTable(routes: readonly RouteRow[], { page, wide }: TableOptions): string {
  return page.table(
    ['ROUTE', 'BACKENDS', ...columns(wide)],
    routes.map(({ name, backends, signals }) => [
      name === '' ? '(none)' : name,
      backends.join(' ') || '-',
      ...cells(signals, { page, wide }),
    ]),
  );
}

/** `<namespace>/<service account>`, which is what an identity of the mesh says. */
function callerName(identity: string): string {
  if (identity === '') return '(no identity)';
  return shortIdentity(identity);
}

function columns(wide: boolean): readonly string[] {
  return wide ? [...COLUMNS, ...WIDE_COLUMNS] : COLUMNS;
}

function cells(of: Signals, { page, wide }: TableOptions): string[] {
  const marked = (count: number, mark: (text: string) => string): string =>
    count === 0 ? '0' : mark(String(count));
  const short = [
    successText(of.successRate, page),
    rateText(of.perSecond),
    msText(of.p50Ms),
    msText(of.p95Ms),
    msText(of.p99Ms),
    percent(of.mutualTls, 0),
    marked(of.denied, page.bad),
    marked(of.wouldBeDenied, page.caution),
    String(of.retries),
  ];
  if (!wide) return short;
  return [
    ...short,
    marked(of.limited, page.caution),
    String(of.wouldBeLimited),
    String(of.openConnections),
    rateText(of.connectionsPerSecond),
  ];
}

function successText(share: number | undefined, page: Page): string {
  const text = percent(share, 2);
  if (share === undefined || share >= GOOD) return text;
  return share >= BAD ? page.caution(text) : page.bad(text);
}

/** Never 100 % where something failed. */
function percent(share: number | undefined, digits: number): string {
  if (share === undefined) return '-';
  const unit = 10 ** digits;
  return `${(Math.floor(share * 100 * unit + 1e-9) / unit).toFixed(digits)}%`;
}

function rateText(perSecond: number): string {
  if (perSecond === 0) return '0';
  return perSecond < 100 ? perSecond.toFixed(1) : String(Math.round(perSecond));
}

function msText(ms: number | undefined): string {
  if (ms === undefined) return '-';
  if (ms >= 1_000) return `${(ms / 1000).toFixed(1)}s`;
  return ms < 10 ? `${ms.toFixed(1)}ms` : `${Math.round(ms)}ms`;
}

function tlsText(tls: readonly string[], page: Page): string {
  const words: Readonly<Record<string, string>> = { mutual: 'mutual', backend: 'backend', none: 'plain' };
  const text = tls.map((one) => words[one] ?? one).join('+');
  if (text === '') return '-';
  return tls.includes('none') ? page.caution(text) : text;
}
