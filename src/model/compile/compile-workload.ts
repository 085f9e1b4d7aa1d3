import { type CallerLimits, callerFeatures, callerLimitsOn } from './caller-limits-on.js';
import { compileAccess } from './compile-access.js';
import { countClaims } from './counted-claims.js';
import { externalChecksOn } from './external-checks-on.js';
import type { AccessConfig } from '../words/access-config.js';
import type { CompiledWorkload, InboundPort, WorkloadConfig } from '../words/destination.js';
import type { PodExternalCheck } from '../words/external-check.js';
import { dirtyEgress, dirtyMtls, dirtyWorkload, workloadKeyText } from '../words/keys.js';
import type { Mesh } from '../tables/mesh.js';
import { modeOfPort, mtlsOn } from './mtls-on.js';
import { outboundOf, type PodOutbound } from './outbound-of.js';
import { podPorts } from './pod-ports.js';
import type { Feature } from './features.js';
import { limitFeatures, rateLimitsOn } from './rate-limits-on.js';
import type { PodRateLimit } from '../words/rate-limit.js';
import type { MtlsMode, ReceiverMode } from '../words/settings.js';
import { spiffeId } from '../words/spiffe.js';
import { accessLogOf, accessLogOn } from './access-log-on.js';
import { samplingOn, tracingOf } from './tracing-of.js';

/** What the proxy of a pod needs to know about its own pod, or undefined when the pod is unknown. */
export function compileWorkload(mesh: Mesh, uid: string): CompiledWorkload | undefined {
  const workload = mesh.workloads.get(uid);
  if (workload === undefined) return undefined;
  const { trustDomain, via, forwarded, source } = mesh.settings;
  const mtls = mtlsOn(mesh, workload);
  const outbound = outboundOf(mesh, workload);
  const traced = tracingOf(mesh);
  const logs = accessLogOf(mesh);
  const known = podPorts(mesh, workload, mtls.ports.keys());
  const ruled = compileAccess(mesh, workload, known);
  const ports = [...known].map(([port, { protocol, services, fronts }]) => ({
    inbound: { port, protocol, mtls: receiverMode(modeOfPort(mtls, port)), services },
    rateLimits: rateLimitsOn(mesh, protocol, fronts),
    checks: externalChecksOn(mesh, protocol, fronts),
    sampled: samplingOn(mesh, fronts),
    logged: accessLogOn(mesh, fronts),
  }));
  const inboundPorts = ports.map(
    ({ inbound, rateLimits: { limits, shared }, checks: { checks }, sampled, logged }) => ({
      ...inbound,
      ...(limits.length === 0 ? {} : { rateLimits: limits }),
      ...(shared.length === 0 ? {} : { sharedLimits: shared }),
      ...(checks.length === 0 ? {} : { externalChecks: checks }),
      ...(sampled === undefined ? {} : { sampling: sampled.sampling }),
      ...(logged === undefined ? {} : { accessLog: logged.choice }),
    }),
  );
  const limits = inboundPorts.flatMap(limitsOfPort);
  const calling = callerLimitsOn(mesh, workload);
  const { access, sources: issuers } = countClaims(mesh, workload.key.namespace, ruled, limits);
  const policies = new Map(
    ports
      .flatMap(({ rateLimits, checks, sampled, logged }) => [
        ...rateLimits.sources,
        ...checks.sources,
        ...(sampled === undefined ? [] : [sampled.source]),
        ...(logged === undefined ? [] : [logged.source]),
      ])
      .concat(calling.sources)
      .map((source) => [source.uid, source]),
  );
  return {
    uid,
    workload: {
      criticalFeatures: featuresOf({ access, ports: inboundPorts, limits, outbound, calling }),
      key: workloadKeyText(workload.key),
      identity: spiffeId(trustDomain, workload),
      ...(workload.node === undefined ? {} : { node: workload.node }),
      ...(workload.zone === undefined ? {} : { zone: workload.zone }),
      labels: workload.labels,
      mtls: receiverMode(mtls.mode),
      inboundPorts,
      ...egressOf(outbound),
      ingressMode: workload.ingressMode,
      via,
      forwarded,
      ...(access === undefined ? {} : { access }),
      ...(traced.tracing === undefined ? {} : { tracing: traced.tracing }),
      ...(logs.accessLog === undefined ? {} : { accessLog: logs.accessLog }),
      ...(calling.limits.length === 0 ? {} : { callerLimits: calling.limits }),
    },
    sources: [
      ...(source === undefined ? [] : [source]),
      ...mtls.sources,
      ...outbound.sources,
      ...policies.values(),
      ...ruled.sources,
      ...issuers,
    ],
    depends: [
      'mesh',
      dirtyWorkload(uid),
      dirtyMtls(workload.key.namespace),
      dirtyEgress(workload.key.namespace),
      ...new Set([
        ...ports.flatMap(({ rateLimits, checks }) => [...rateLimits.depends, ...checks.depends]),
        ...calling.depends,
        ...ruled.depends,
        ...traced.depends,
        ...logs.depends,
      ]),
    ],
  };
}

/** What it may call outside of the mesh. */
function egressOf({
  policy,
  services,
  authorities,
}: PodOutbound): Pick<WorkloadConfig, 'outbound' | 'externalServices' | 'authorities'> {
  return {
    outbound: policy,
    ...(services.length === 0 ? {} : { externalServices: services }),
    ...(authorities.length === 0 ? {} : { authorities }),
  };
}

interface Featured {
  readonly access: AccessConfig | undefined;
  readonly ports: readonly InboundPort[];
  /** Of all ports. */
  readonly limits: readonly PodRateLimit[];
  readonly outbound: PodOutbound;
  readonly calling: CallerLimits;
}

/** What a proxy that does not know it must not ignore. */
function featuresOf({ access, ports, limits, outbound, calling }: Featured): readonly Feature[] {
  return [
    ...(access === undefined ? [] : ['workload.access' as const]),
    ...(access?.jwtIssuers === undefined ? [] : ['workload.access.jwt' as const]),
    ...(access?.countedClaims === undefined ? [] : ['workload.rate-limits.claim' as const]),
    ...checkFeatures(ports.flatMap(({ externalChecks }) => externalChecks ?? [])),
    ...(outbound.services.length === 0 ? [] : ['workload.external-services' as const]),
    ...(outbound.services.some(({ ports }) => ports.some(({ tls }) => tls !== undefined))
      ? ['workload.external-services.tls' as const]
      : []),
    ...(ports.some(({ sharedLimits }) => sharedLimits !== undefined)
      ? ['workload.rate-limits.shared' as const]
      : []),
    ...callerFeatures(calling),
    ...limitFeatures([...limits, ...calling.limits.map(({ limit }) => limit)]),
  ];
}

function checkFeatures(checks: readonly PodExternalCheck[]): readonly Feature[] {
  return [
    ...(checks.length === 0 ? [] : ['workload.external-check' as const]),
    ...(checks.some(({ body }) => body !== undefined) ? ['workload.external-check.body' as const] : []),
    ...(checks.some(({ http }) => http !== undefined) ? ['workload.external-check.http' as const] : []),
  ];
}

/** Whoever counts them. */
function limitsOfPort({ rateLimits = [], sharedLimits = [] }: InboundPort): readonly PodRateLimit[] {
  return [...rateLimits, ...sharedLimits.flatMap((call) => call.limits.map(({ limit }) => limit))];
}

/** A receiver whose callers use plain text takes mutual TLS as well: some of them may not have heard yet. */
function receiverMode(mode: MtlsMode): ReceiverMode {
  return mode === 'strict' ? 'strict' : 'permissive';
}
