import type {
  AccessConfig,
  CompiledDestination,
  CompiledWorkload,
  Destination,
  InboundPort,
  PodCallerLimit,
  PodRateLimit,
  RouteMatch,
} from '../../model/index.js';

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

/** What a proxy is told about its own pod, as it is compared. Who may do what is compared call by call. */
export function workloadView(compiled: CompiledWorkload | undefined): object | undefined {
  if (compiled === undefined) return undefined;
  const {
    mtls,
    outbound,
    inboundPorts,
    access,
    via,
    forwarded,
    ingressMode,
    tracing,
    accessLog,
    callerLimits = [],
  } = compiled.workload;
  return {
    mtls,
    outbound,
    via,
    forwarded,
    ingressMode,
    tracing,
    accessLog,
    ...Object.fromEntries(inboundPorts.map((port) => [`port ${port.port}`, portView(port)])),
    ...Object.fromEntries(callerLimits.map(callerLimitView)),
    'access by default': access?.default ?? 'allow',
    bindings: bindingsOf(access),
  };
}

function bindingsOf(access: AccessConfig | undefined): readonly string[] {
  return [...(access?.bindings ?? [])].sort();
}

function callerLimitView({ to, limit }: PodCallerLimit): readonly [string, object] {
  const called = `${to.kind} ${to.namespace}/${to.name}`;
  return [`limit ${limit.policy} ${limit.name} on requests to ${called}`, limitView(limit)];
}

function limitView({ requests, perMs, burst, pods, dryRun, key, ...limit }: PodRateLimit): object {
  const { policy: _policy, name: _name, ...rest } = limit;
  return {
    requests: `${requests} in ${perMs}ms, ${burst} at once, shared by ${pods}${dryRun ? ', DryRun' : ''}`,
    key: key.map((part) => JSON.stringify(part)),
    ...rest,
  };
}

function portView(port: InboundPort): object {
  const { protocol, mtls, services, rateLimits = [], externalChecks = [], sampling, accessLog } = port;
  return {
    protocol,
    mtls,
    services,
    sampling,
    accessLog,
    ...Object.fromEntries(
      rateLimits.map((limit) => [`limit ${limit.policy} ${limit.name}`, limitView(limit)]),
    ),
    ...Object.fromEntries(
      externalChecks.map(({ policy, asks, timeoutMs, onFailure, dryRun, exempt, allowedHeaders }) => [
        `check by ${policy}`,
        {
          asks: asks === undefined ? 'nobody' : `${asks.service}:${asks.port}`,
          timeoutMs,
          onFailure,
          dryRun,
          exempt: exempt.map((one) => JSON.stringify(one)),
          allowedHeaders,
        },
      ]),
    ),
  };
}
