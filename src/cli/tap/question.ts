import { durationMs } from '../../api/index.js';
import { MeshError } from '../../base/index.js';

/** Which requests are meant, as people type it. */
export interface Filters {
  readonly to?: string;
  readonly from?: string;
  readonly path?: string;
  readonly method?: string;
  readonly status?: string;
  readonly minLatency?: string;
  readonly header: readonly string[];
  readonly verdict?: string;
  readonly side?: 'caller' | 'receiver';
  readonly showHeader: readonly string[];
}

/** The longest that a proxy tells of its requests. */
const LONGEST_MS = 600_000;

/** The same, as proxies are asked; who calls without a namespace is of `namespace`. */
export function questionOf(filters: Filters, namespace: string): object {
  const { to, from, path, method, status, minLatency, verdict, side } = filters;
  return {
    ...(side === undefined ? {} : { side }),
    ...(to === undefined ? {} : { to: serviceOf(to) }),
    ...(from === undefined ? {} : { from: identityOf(from, namespace) }),
    ...(path === undefined ? {} : { path }),
    ...(method === undefined ? {} : { method: method.toUpperCase() }),
    ...(status === undefined ? {} : { status: status.toLowerCase() }),
    ...(minLatency === undefined ? {} : { minLatencyMs: demandMs('--min-latency', minLatency) }),
    ...(verdict === undefined ? {} : { verdict }),
    headers: filters.header.map(pairOf),
    showHeaders: filters.showHeader,
  };
}

/** How long is watched, by the value of an option. */
export function lastsMs(option: string, text: string): number {
  const ms = demandMs(option, text);
  if (ms < 1_000 || ms > LONGEST_MS) throw wrong(option, text, 'give a time from 1s to 10m');
  return ms;
}

/** `reviews.shop` is how applications write `shop/reviews`. */
export function serviceOf(text: string): string {
  const found = /^([^./:]+)\.([^./:]+)(\.svc[^:]*)?(:\d+)?$/.exec(text);
  if (found === null) return text;
  const [, name = '', namespace = '', , port = ''] = found;
  return `${namespace}/${name}${port}`;
}

function identityOf(text: string, namespace: string): string {
  if (text.startsWith('spiffe://')) return text;
  const [first = '', second, ...more] = text.split('/');
  if (first === '' || second === '' || more.length > 0)
    throw wrong('--from', text, 'give a service account, NAMESPACE/ACCOUNT, or a SPIFFE identity');
  return second === undefined ? `/ns/${namespace}/sa/${first}` : `/ns/${first}/sa/${second}`;
}

function pairOf(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw wrong('--header', text, 'give NAME=VALUE');
  return [text.slice(0, at), text.slice(at + 1)];
}

function demandMs(option: string, text: string): number {
  const ms = durationMs(text);
  if (ms === undefined) throw wrong(option, text, 'give a duration such as 100ms or 1m30s');
  return ms;
}

function wrong(option: string, text: string, remedy: string): MeshError {
  return new MeshError('invalid', `${option} ${text}: ${remedy}`);
}
