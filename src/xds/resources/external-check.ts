import { create } from '@bufbuild/protobuf';
import { type CheckedBody, ipBytes, type PodExternalCheck } from '../../model/index.js';
import {
  CheckBody_OnTooLong as OnTooLong,
  CheckBodySchema,
  CheckOverHttpSchema,
  type CheckBody,
  ExemptionSchema,
  ExternalCheck_OnFailure as OnFailure,
  ExternalCheckSchema,
  type ExternalCheck as WireExternalCheck,
} from '../../wire/gen/weft/v1/workload_pb.js';

/** A check of a pod's port as the message of the wire contract. */
export function toWireExternalCheck(check: PodExternalCheck): WireExternalCheck {
  const { policy, asks, timeoutMs, onFailure, allowedHeaders, http, body, exempt, dryRun } = check;
  return create(ExternalCheckSchema, {
    policy,
    ...(asks === undefined ? {} : { service: asks.service, address: ipBytes(asks.address), port: asks.port }),
    timeoutMs: BigInt(timeoutMs),
    onFailure: onFailure === 'allow' ? OnFailure.ALLOW : OnFailure.DENY,
    allowedHeaders: [...allowedHeaders],
    ...(http === undefined
      ? {}
      : {
          http: create(CheckOverHttpSchema, {
            prefix: http.prefix,
            toApplication: [...http.toApplication],
            toCaller: [...http.toCaller],
          }),
        }),
    ...(body === undefined ? {} : { body: toWireBody(body) }),
    exempt: exempt.map(({ method = '', path }) =>
      create(ExemptionSchema, { method, path: { case: path.kind, value: path.value } }),
    ),
    dryRun,
  });
}

function toWireBody({ maxBytes, onTooLong }: CheckedBody): CheckBody {
  return create(CheckBodySchema, {
    maxBytes,
    onTooLong: onTooLong === 'sendPartial' ? OnTooLong.SEND_PARTIAL : OnTooLong.DENY,
  });
}
