import { plural, type Page } from '../page.js';
import type { Event } from './event.js';

/** What is shown beside the request itself. */
export interface Shown {
  /** All headers. */
  readonly headers: boolean;
  /** These, in lower case. */
  readonly names: readonly string[];
}

/** One request as text for people: one line, and one for each header that is wanted. */
export function renderEvent(event: Event, pod: string, shown: Shown, page: Page): string {
  const arrow = event.side === 'caller' ? '->' : '<-';
  const parts = [page.faint(event.time.slice(11, 23)), page.strong(`${pod} ${arrow}`), whatOf(event, page)];
  const about = [verdictOf(event, page), ...placesOf(event)];
  return [`${parts.join(' ')}  ${about.join(', ')}`, ...headersOf(event, shown, page)].join('\n');
}

function whatOf(event: Event, page: Page): string {
  const { kind, method, authority, path, destination, status, durationMs } = event;
  const took = msOf(durationMs);
  if (kind === 'bytes')
    return `bytes ${destination}  ${event.sentBytes ?? 0} B there, ${event.receivedBytes} B back  ${took}`;
  const grpc = event.grpcStatus === undefined ? '' : ` (grpc ${event.grpcStatus})`;
  const code = status === undefined ? '-' : String(status);
  const colour = (status ?? 0) >= 500 ? page.bad : (status ?? 0) >= 400 ? page.caution : page.good;
  return `${method} ${authority === '' ? destination : authority}${path}  ${colour(`${code}${grpc}`)}  ${took}`;
}

/** What became of it, and by whose word. */
export function verdictOf(event: Event, page: Page): string {
  const { verdict, refusedBy, rule, reason, wouldRefuse } = event;
  const by = [refusedBy === undefined ? '' : `by ${refusedBy}`, rule === undefined ? '' : `[${rule}]`];
  const why = reason === undefined || verdict === 'denied' || verdict === 'limited' ? '' : `(${reason})`;
  const said = [verdict.replace('-', ' '), ...by, why].filter((word) => word !== '').join(' ');
  const would = wouldRefuse.map(({ stage }) => `${stage} would refuse it`);
  const colour = verdict === 'carried' || verdict === 'answered' ? page.good : page.bad;
  return [colour(said), ...would.map((text) => page.caution(text))].join(', ');
}

function placesOf(event: Event): string[] {
  const { route, attempts } = event;
  const before = attempts.slice(0, -1).map(({ endpoint, result }) => `${endpoint} ${result}`);
  return [
    ...(route === '' ? [] : [`route ${route}`]),
    ...otherSide(event),
    ...(before.length === 0 ? [] : [`${plural(attempts.length, 'attempt')} (${before.join('; ')})`]),
  ];
}

/** Who called, or was called, and whether that was proved. */
function otherSide({ side, attempts, caller, receiver, tls }: Event): string[] {
  const peer = shortIdentity(side === 'caller' ? receiver : caller);
  const plain = tls === 'none' ? ['no mutual TLS'] : [];
  if (side === 'receiver') return [...(peer === '' ? [] : [`from ${peer}`]), ...plain];
  const last = attempts.at(-1);
  if (last === undefined) return peer === '' ? [] : [`to ${peer}`];
  return [`to ${last.endpoint}${peer === '' ? '' : ` (${peer})`}`, ...plain];
}

function headersOf({ requestHeaders, responseHeaders }: Event, shown: Shown, page: Page): string[] {
  const wanted = ([name]: readonly [string, string]): boolean => shown.headers || shown.names.includes(name);
  const line =
    (mark: string) =>
    ([name, value]: readonly [string, string]): string =>
      page.faint(`    ${mark} ${name}: ${value}`);
  return [...requestHeaders.filter(wanted).map(line('>')), ...responseHeaders.filter(wanted).map(line('<'))];
}

/** `shop/web` of `spiffe://cluster.local/ns/shop/sa/web`; others as they are. */
export function shortIdentity(identity: string): string {
  const found = /\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(identity);
  return found === null ? identity : `${found[1]}/${found[2]}`;
}

export function msOf(ms: number): string {
  return ms >= 1_000 ? `${(ms / 1_000).toFixed(2)} s` : `${ms.toFixed(1)} ms`;
}
