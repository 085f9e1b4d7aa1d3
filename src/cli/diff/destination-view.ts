import type { CompiledDestination, Destination, RouteMatch } from '../../model/index.js';

type Route = Destination['routes'][number];

/** A destination as it is compared: places in lists by names, and nothing that only proxies need. */
export function destinationView(compiled: CompiledDestination | undefined): object | undefined {
  if (compiled === undefined) return undefined;
  const { destination } = compiled;
  const { protocol, routes, backends, endpoints, loadBalancer, outliers, limits, tls = [] } = destination;
  const { sampling, accessLog } = destination;
  return {
    protocol,
    'order of routes': routes.map(({ name }) => name),
    ...Object.fromEntries(routes.map((route) => [`route ${route.name}`, routeView(route, destination)])),
    ...Object.fromEntries(
      backends.map(({ name, endpoints: places, invalid, node, affinitySeconds, tls: own }) => [
        `backend ${name}`,
        {
          endpoints: invalid ?? places.length,
          withoutProxy: places.filter((place) => endpoints[place]?.identity === undefined).length,
          node,
          affinitySeconds,
          tls: own === undefined ? undefined : tls[own]?.policy,
        },
      ]),
    ),
    loadBalancer,
    outliers,
    limits,
    sampling,
    accessLog,
    ...Object.fromEntries(
      tls.map(({ policy, serverName, dnsNames, uris, authorities, refused }) => [
        `TLS by ${policy}`,
        { serverName, dnsNames, uris, authorities: authorities.length, refused },
      ]),
    ),
  };
}

function routeView(
  { matches, split, mirrors = [], name: _name, ...rest }: Route,
  { backends }: Destination,
): object {
  const nameOf = (backend: number): string => backends[backend]?.name ?? '';
  return {
    matches: matches.length === 0 ? 'everything' : matches.map(matchText).sort().join(' or '),
    ...Object.fromEntries(split.map(({ backend, weight }) => [`weight of ${nameOf(backend)}`, weight])),
    ...Object.fromEntries(
      split.flatMap(({ backend, headers }) =>
        headers === undefined ? [] : [[`headers to ${nameOf(backend)}`, headers] as const],
      ),
    ),
    ...Object.fromEntries(
      mirrors.map(({ backend, portion: { numerator, denominator } }) => [
        `copies to ${nameOf(backend)}`,
        `${numerator} of ${denominator}`,
      ]),
    ),
    ...rest,
  };
}

function matchText({ method, path, headers, query = [], from, port, serverNames }: RouteMatch): string {
  const named = (what: string, conditions: RouteMatch['headers']): readonly string[] =>
    conditions.map(
      ({ name, condition, invert }) =>
        `${what} ${name} ${invert ? 'not ' : ''}${condition.kind} ${String(condition.value)}`,
    );
  const callers =
    from === undefined
      ? []
      : [
          ...from.namespaces.map((name) => `from namespace ${name}`),
          ...from.serviceAccounts.map(({ namespace, name }) => `from ${namespace}/${name}`),
          ...Object.entries(from.labels).map(([name, value]) => `from pods with ${name}=${value}`),
        ];
  return [
    ...(method === undefined ? [] : [method]),
    ...(path === undefined ? [] : [`path ${path.kind} ${path.value}`]),
    ...named('header', headers),
    ...named('query', query),
    ...callers,
    ...(port === undefined ? [] : [`port ${port}`]),
    ...(serverNames === undefined ? [] : [`server name ${serverNames.join('|')}`]),
  ].join(', ');
}
