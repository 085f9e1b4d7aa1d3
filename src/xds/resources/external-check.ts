import { create } from '@bufbuild/protobuf';
import { ipBytes, type PodExternalCheck } from '../../model/index.js';
import {
  ExemptionSchema,
  ExternalCheck_OnFailure as OnFailure,
  ExternalCheckSchema,
  type ExternalCheck as WireExternalCheck,
} from '../../wire/gen/weft/v1/workload_pb.js';

/** A check of a pod's port as the message of the wire contract. */
export function toWireExternalCheck(check: PodExternalCheck): WireExternalCheck {
  const { policy, asks, timeoutMs, onFailure, allowedHeaders, exempt, dryRun } = check;
  return create(ExternalCheckSchema, {
    policy,
    ...(asks === undefined ? {} : { service: asks.service, address: ipBytes(asks.address), port: asks.port }),
    timeoutMs: BigInt(timeoutMs),
    onFailure: onFailure === 'allow' ? OnFailure.ALLOW : OnFailure.DENY,
    allowedHeaders: [...allowedHeaders],
    exempt: exempt.map(({ method = '', path }) =>
      create(ExemptionSchema, { method, path: { case: path.kind, value: path.value } }),
    ),
    dryRun,
  });
}
