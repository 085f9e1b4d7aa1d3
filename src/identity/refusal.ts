import { GrpcCode } from '../grpc/index.js';

/** Why a workload did not get a certificate or its configuration: label of the metric, and what tests go by. */
export type RefusalReason =
  | 'no-token'
  | 'invalid-token'
  | 'expired-token'
  | 'wrong-audience'
  | 'not-service-account'
  | 'no-pod'
  | 'review-failed'
  | 'unknown-pod'
  | 'pod-mismatch'
  | 'foreign-address'
  | 'csr-invalid'
  | 'csr-key'
  | 'csr-signature'
  | 'csr-name'
  | 'unknown-annotation'
  | 'foreign-identity'
  | 'host-network'
  | 'control-plane-identity'
  | 'untrusted-certificate'
  | 'rate-limited'
  | 'issuer-unavailable';

/** A refusal: the reason for machines, the message for the person who reads the proxy's log. */
export interface Refusal {
  readonly kind: 'refused';
  readonly reason: RefusalReason;
  readonly message: string;
}

export function refused(reason: RefusalReason, message: string): Refusal {
  return { kind: 'refused', reason, message };
}

/** UNAVAILABLE and RESOURCE_EXHAUSTED may pass by themselves; all others need somebody to change something. */
export const REFUSAL_STATUS: Readonly<Record<RefusalReason, GrpcCode>> = {
  'no-token': GrpcCode.unauthenticated,
  'invalid-token': GrpcCode.unauthenticated,
  'expired-token': GrpcCode.unauthenticated,
  'wrong-audience': GrpcCode.unauthenticated,
  'not-service-account': GrpcCode.permissionDenied,
  'no-pod': GrpcCode.permissionDenied,
  'review-failed': GrpcCode.unavailable,
  'unknown-pod': GrpcCode.unavailable,
  'pod-mismatch': GrpcCode.permissionDenied,
  'foreign-address': GrpcCode.permissionDenied,
  'csr-invalid': GrpcCode.invalidArgument,
  'csr-key': GrpcCode.invalidArgument,
  'csr-signature': GrpcCode.invalidArgument,
  'csr-name': GrpcCode.permissionDenied,
  'unknown-annotation': GrpcCode.invalidArgument,
  'foreign-identity': GrpcCode.permissionDenied,
  'host-network': GrpcCode.permissionDenied,
  'control-plane-identity': GrpcCode.permissionDenied,
  'untrusted-certificate': GrpcCode.unauthenticated,
  'rate-limited': GrpcCode.resourceExhausted,
  'issuer-unavailable': GrpcCode.unavailable,
};
