import { create } from '@bufbuild/protobuf';
import type { OutboundPolicy, ReceiverMode, WorkloadConfig } from '../../model/index.js';
import {
  AuthoritiesSchema,
  InboundPortSchema,
  MtlsMode,
  OutboundPolicy as WireOutboundPolicy,
  WorkloadSchema,
  type Workload as WireWorkload,
} from '../../wire/gen/weft/v1/workload_pb.js';
import { toWireAccess } from './access.js';
import { toWireExternalCheck } from './external-check.js';
import { toWireExternalService } from './external-service.js';
import { toWireCallerLimit, toWireRateLimit, toWireSharedLimits } from './rate-limit.js';
import { toWireProtocol } from './destination.js';
import { type EncodedResource, encode } from './encoded.js';
import { toWireAccessLog, toWireLogChoice } from './access-log.js';
import { millionths } from './millionths.js';
import { sorted } from './sorted.js';
import { toWireTracing } from './tracing.js';

/** Type URL of workloads. */
export const WORKLOAD_TYPE_URL = `type.weft.dev/${WorkloadSchema.typeName}`;

/** The configuration of a pod's own proxy as the bytes it reads. */
export function encodeWorkload(workload: WorkloadConfig): EncodedResource {
  return encode(WorkloadSchema, toWireWorkload(workload));
}

/** The configuration of a pod's own proxy as the message of the wire contract. */
export function toWireWorkload(workload: WorkloadConfig): WireWorkload {
  const counted = workload.access?.countedClaims ?? [];
  return create(WorkloadSchema, {
    criticalFeatures: [...workload.criticalFeatures].sort(),
    key: workload.key,
    identity: workload.identity,
    zone: workload.zone ?? '',
    node: workload.node ?? '',
    mtlsMode: toWireMtls(workload.mtls),
    inboundPorts: workload.inboundPorts.map(({ port, protocol, mtls, services, ...rest }) =>
      create(InboundPortSchema, {
        port,
        protocol: toWireProtocol(protocol),
        mtlsMode: toWireMtls(mtls),
        services: [...services],
        rateLimits: (rest.rateLimits ?? []).map((limit) => toWireRateLimit(limit, counted)),
        sharedLimits: (rest.sharedLimits ?? []).map((call) => toWireSharedLimits(call, counted)),
        externalChecks: (rest.externalChecks ?? []).map(toWireExternalCheck),
        ...(rest.sampling === undefined ? {} : { sampling: millionths(rest.sampling) }),
        ...(rest.accessLog === undefined ? {} : { accessLog: toWireLogChoice(rest.accessLog) }),
      }),
    ),
    outboundPolicy: toWireOutbound(workload.outbound),
    ingressMode: workload.ingressMode,
    via: workload.via,
    forwarded: workload.forwarded,
    labels: sorted(workload.labels),
    externalServices: (workload.externalServices ?? []).map(toWireExternalService),
    authorities: (workload.authorities ?? []).map((certificates) =>
      create(AuthoritiesSchema, { certificates: [...certificates] }),
    ),
    callerLimits: (workload.callerLimits ?? []).map(toWireCallerLimit),
    ...toWireAccess(workload.access),
    ...(workload.tracing === undefined ? {} : { tracing: toWireTracing(workload.tracing) }),
    ...(workload.accessLog === undefined ? {} : { accessLog: toWireAccessLog(workload.accessLog) }),
  });
}

function toWireMtls(mode: ReceiverMode): MtlsMode {
  return mode === 'strict' ? MtlsMode.STRICT : MtlsMode.PERMISSIVE;
}

function toWireOutbound(policy: OutboundPolicy): WireOutboundPolicy {
  switch (policy) {
    case 'allowAny':
      return WireOutboundPolicy.ALLOW_ANY;
    case 'dryRun':
      return WireOutboundPolicy.REGISTRY_ONLY_DRY_RUN;
    case 'registryOnly':
      return WireOutboundPolicy.REGISTRY_ONLY;
  }
}
