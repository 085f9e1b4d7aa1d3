import { plural, type Page } from '../page.js';
import type { Report } from './explain.js';
import { percent, routeOf, wrap } from './render-route.js';
import type { CallerAnswer, Differs, Endpoint, ReceiverAnswer, Route, Share, Stage } from './answer.js';

/** Texts are wrapped so that tables keep within so many columns. */
const WIDTH = 110;
/** Endpoints of a backend that are shown. */
const MOST_ENDPOINTS = 8;

/** A report as text for people. */
export function renderReport(report: Report, page: Page): string {
  const { caller, receiver } = report;
  const parts = [heading(report, page), routesOf(caller, page), stagesOf('Caller', caller.stages, page)];
  parts.push(splitOf(caller, report.workers, page), routeOf(report, page));
  if (receiver !== undefined) parts.push(receiverOf(receiver, page));
  parts.push(conclusion(report, page));
  return parts.filter((part) => part !== '').join('\n\n');
}

function heading({ request, from, dialled, caller }: Report, page: Page): string {
  const { destination } = caller;
  const lines = [page.strong(`${from} -> ${request.method} http://${request.authority}${request.path}`)];
  const about = [destination?.protocol, destination?.algorithm].filter((word) => word !== undefined);
  const name = destination?.name ?? destination?.state ?? 'not looked for';
  lines.push(
    `to   ${name}${about.length === 0 ? '' : ` (${about.join(', ')})`}, dialled at ${dialled.address}`,
  );
  if (dialled.note !== undefined) lines.push(`     ${dialled.note}`);
  lines.push(`as   ${caller.caller.identity}`);
  return lines.join('\n');
}

function routesOf({ routes }: CallerAnswer, page: Page): string {
  if (routes.length === 0) return '';
  const rows = routes.map((route) => [routeMark(route, page), route.name, wrap(routeWhy(route), 70)]);
  return `${page.strong('Routes')}\n${page.table(['', 'ROUTE', 'WHY'], rows)}`;
}

function routeMark({ verdict }: Route, page: Page): string {
  if (verdict === 'taken') return page.good('yes');
  return verdict === 'not-matched' ? 'no' : page.faint('-');
}

function routeWhy({ verdict, matched, differs }: Route): string {
  if (verdict === 'taken') return matched ?? 'it takes every request';
  if (verdict === 'not-reached') return 'not reached: an earlier route takes it';
  if (verdict === 'bytes-only') return 'takes bytes only, and no request';
  const reasons = differs.flatMap((one) => (one === null ? [] : [difference(one)]));
  return [...new Set(reasons)].join('; or ');
}

function difference({ part, name, wanted, found }: Differs): string {
  if (part === 'server-name') return `takes only TLS for ${wanted}`;
  const what = name === null || name === undefined ? part : `${part} ${name}`;
  const is = found === null || found === undefined ? 'is absent' : `is ${shorten(found)}`;
  return `${what} ${is}, not ${wanted.replace(/^not /, 'something other than ')}`;
}

function stagesOf(title: string, stages: readonly Stage[], page: Page): string {
  if (stages.length === 0) return '';
  const rows = stages.map(({ stage, verdict, why, rule }) => [
    stage,
    coloured(verdict, page),
    wrap(rule === undefined || why.startsWith(rule) ? why : `${why} [${rule}]`, 70),
  ]);
  return `${page.strong(title)}\n${page.table(['STAGE', 'VERDICT', 'WHY'], rows)}`;
}

function coloured(verdict: string, page: Page): string {
  if (verdict === 'go') return page.good(verdict);
  return verdict === 'refuse' ? page.bad(verdict) : page.caution(verdict);
}

function splitOf({ split }: CallerAnswer, workers: number, page: Page): string {
  if (split.length === 0) return '';
  return [page.strong('Backends'), ...split.map((share) => shareOf(share, workers, page))].join('\n');
}

function shareOf(share: Share, workers: number, page: Page): string {
  const head = `${percent(share.percent)}  ${share.backend}`;
  if (share.refusal !== null && share.refusal !== undefined) return `${head}\n  ${page.bad(share.refusal)}`;
  const shown = share.endpoints.slice(0, MOST_ENDPOINTS);
  const rows = shown.map((endpoint) => [
    `  ${endpoint.address}`,
    endpoint.pod ?? '-',
    standing(endpoint, workers, page),
    endpoint.latencyMs > 0 ? `${endpoint.latencyMs.toFixed(1)} ms` : '-',
    String(endpoint.pending),
    endpoint.zone ?? '-',
    endpoint.tls,
  ]);
  const table = page.table(['  ENDPOINT', 'POD', 'STATE', 'LATENCY', 'OPEN', 'ZONE', 'TLS'], rows);
  const rest = share.endpointCount - shown.length;
  return `${head}\n${table}${rest > 0 ? `\n  and ${plural(rest, 'endpoint')} more` : ''}`;
}

function standing(endpoint: Endpoint, workers: number, page: Page): string {
  const { ejectedBy = 0 } = endpoint;
  if (ejectedBy > 0) {
    const reason = endpoint.ejection?.reason;
    const by = ejectedBy < workers ? ` by ${ejectedBy} of ${workers} workers` : '';
    return page.bad(`ejected${by}${reason === undefined ? '' : ` (${reason})`}`);
  }
  if (endpoint.unreachable) return page.bad('unreachable');
  if (!endpoint.withinReach) return page.caution(endpoint.otherZone ? 'other zone' : 'other node');
  return endpoint.pushesBack ? page.caution('pushes back') : page.good('ready');
}

function receiverOf({ pod, answer }: { pod: string; answer: ReceiverAnswer }, page: Page): string {
  const { receiver, stages } = answer;
  const title = `Receiver ${pod}, ${receiver.name}, mutual TLS ${receiver.mtlsMode}`;
  return stagesOf(title, stages, page);
}

function conclusion({ caller, receiver, notes }: Report, page: Page): string {
  const ends = receiver !== undefined && caller.verdict === 'sent' ? receiver.answer : caller;
  const who = ends === caller ? '' : ' by the receiver';
  const lines = {
    sent:
      ends === caller ? page.good(`It is sent to ${caller.why}.`) : page.good('It reaches the application.'),
    answered: page.caution(`The proxy ${ends.why}.`),
    refused: page.bad(`It is refused${who}: ${ends.why}.`),
    'let-out': page.good(`It is let out: ${ends.why}.`),
    'passed-through': page.caution(`It is passed through: ${ends.why}.`),
  } as const;
  const said =
    ends.verdict in lines ? lines[ends.verdict as keyof typeof lines] : `${ends.verdict}: ${ends.why}`;
  return [wrap(said, WIDTH), ...notes.map((note) => page.faint(wrap(`note: ${note}`, WIDTH)))].join('\n');
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
