import { createHash } from 'node:crypto';
import type {
  AccessConfig,
  CompiledWorkload,
  InboundPort,
  PodCallerLimit,
  PodExternalCheck,
  PodExternalService,
  PodRateLimit,
  PodSharedLimits,
} from '../../model/index.js';

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
    externalServices = [],
    authorities = [],
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
    ...Object.fromEntries(externalServices.map((service) => externalServiceView(service, authorities))),
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

/** All that a port has, so that what it gets one day is compared as well. */
function portView(port: InboundPort): object {
  const { port: _number, rateLimits = [], sharedLimits = [], externalChecks = [], ...rest } = port;
  return {
    ...rest,
    ...Object.fromEntries(
      rateLimits.map((limit) => [`limit ${limit.policy} ${limit.name}`, limitView(limit)]),
    ),
    ...Object.fromEntries(sharedLimits.flatMap(sharedLimitViews)),
    ...Object.fromEntries(externalChecks.map(checkView)),
  };
}

function sharedLimitViews({
  limits,
  asks,
  ...service
}: PodSharedLimits): readonly (readonly [string, object])[] {
  return limits.map(({ limit, onFailure }) => [
    `limit ${limit.policy} ${limit.name}`,
    { ...limitView(limit), onFailure, ...service, asks: askedText(asks) },
  ]);
}

function checkView({ policy, asks, exempt, ...rest }: PodExternalCheck): readonly [string, object] {
  const view = { ...rest, asks: askedText(asks), exempt: exempt.map((one) => JSON.stringify(one)) };
  return [`check by ${policy}`, view];
}

function askedText(asks: PodExternalCheck['asks']): string {
  return asks === undefined ? 'nobody' : `${asks.service}:${asks.port}`;
}

/** Which authorities it believes is told by a digest: places in their list say nothing. */
function externalServiceView(
  { name, ports, addresses, ...rest }: PodExternalService,
  authorities: readonly (readonly Uint8Array[])[],
): readonly [string, object] {
  const originated = ports.map(({ port, protocol, tls }) => {
    const { authorities: place, ...how } = tls ?? {};
    const believed = place === undefined ? undefined : digestOf(authorities[place] ?? []);
    return [`port ${port}`, { protocol, tls: tls === undefined ? undefined : { ...how, believed } }];
  });
  const blocks = addresses.map(({ address, length }) => `${address}/${length}`);
  return [`external service ${name}`, { ...rest, addresses: blocks, ...Object.fromEntries(originated) }];
}

function digestOf(certificates: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const certificate of certificates) hash.update(certificate);
  return hash.digest('hex').slice(0, 12);
}
