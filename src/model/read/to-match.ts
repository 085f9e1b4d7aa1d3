import type { TrafficPolicy } from '../../api/index.js';
import type { CallerMatch, NamedMatch, PathMatch, RouteMatch, TextCondition } from '../words/policy.js';
import type { LimitMatch } from '../words/rate-limit.js';

type ApiRoute = NonNullable<TrafficPolicy['spec']['routes']>[number];
type ApiMatch = NonNullable<ApiRoute['match']>[number];
type ApiLimitMatch = Pick<ApiMatch, 'headers' | 'path' | 'method'>;
type ApiCaller = NonNullable<ApiMatch['from']>;

/** Conditions of a route of a policy in `namespace`. */
export function translateMatch(match: ApiMatch, namespace: string): RouteMatch {
  const { query, port, from, serverNames } = match;
  return {
    ...translateLimitMatch(match),
    ...(query === undefined ? {} : { query: query.map(translateNamed) }),
    ...(port === undefined ? {} : { port }),
    ...(from === undefined ? {} : { from: translateCaller(from, namespace) }),
    ...(serverNames === undefined ? {} : { serverNames }),
  };
}

/** Conditions on requests that a limit counts. */
export function translateLimitMatch({ headers, path, method }: ApiLimitMatch): LimitMatch {
  return {
    headers: (headers ?? []).map((header) => ({
      ...translateNamed(header),
      name: header.name.toLowerCase(),
    })),
    ...(path === undefined ? {} : { path: pathOf(path) }),
    ...(method === undefined ? {} : { method }),
  };
}

interface Named extends Text {
  readonly name: string;
  readonly present?: boolean | undefined;
  readonly invert?: boolean | undefined;
}

function translateNamed(named: Named): NamedMatch {
  const condition = textCondition(named) ?? { kind: 'present' as const, value: named.present ?? true };
  return { name: named.name, condition, invert: named.invert ?? false };
}

function translateCaller({ namespaces, serviceAccounts, labels }: ApiCaller, own: string): CallerMatch {
  return {
    namespaces: namespaces ?? [],
    serviceAccounts: (serviceAccounts ?? []).map(({ name, namespace }) => ({
      namespace: namespace ?? own,
      name,
    })),
    labels: labels ?? {},
  };
}

/** The schema demands one condition; a path without any matches every path. */
function pathOf(path: NonNullable<ApiMatch['path']>): PathMatch {
  return textCondition(path) ?? { kind: 'prefix', value: '/' };
}

interface Text {
  readonly exact?: string | undefined;
  readonly prefix?: string | undefined;
  readonly regex?: string | undefined;
}

function textCondition({ exact, prefix, regex }: Text): TextCondition | undefined {
  if (exact !== undefined) return { kind: 'exact', value: exact };
  if (prefix !== undefined) return { kind: 'prefix', value: prefix };
  return regex === undefined ? undefined : { kind: 'regex', value: regex };
}
