import type { ErrorCode } from '../base/error.js';
import { MeshError } from '../base/error.js';

/** gRPC's status codes, by the numbers on the wire; those that this house uses. */
export const GrpcCode = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;
export type GrpcCode = (typeof GrpcCode)[keyof typeof GrpcCode];

/** How a call ends. The message is for a person at the other end. */
export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
}

/** Throw it from a handler to end the call with this status; a client gets it for every status but OK. */
export class GrpcError extends Error implements GrpcStatus {
  readonly code: number;

  constructor(code: number, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'GrpcError';
    this.code = code;
  }
}

const FROM_MESH: Readonly<Record<ErrorCode, GrpcCode>> = {
  invalid: GrpcCode.invalidArgument,
  'not-found': GrpcCode.notFound,
  'already-exists': GrpcCode.alreadyExists,
  conflict: GrpcCode.aborted,
  expired: GrpcCode.failedPrecondition,
  unauthenticated: GrpcCode.unauthenticated,
  'permission-denied': GrpcCode.permissionDenied,
  precondition: GrpcCode.failedPrecondition,
  unavailable: GrpcCode.unavailable,
  timeout: GrpcCode.deadlineExceeded,
  aborted: GrpcCode.cancelled,
  internal: GrpcCode.internal,
};

/** The status for whatever a handler threw. What is not meant for the caller becomes INTERNAL without its text. */
export function statusOf(thrown: unknown): GrpcStatus {
  if (thrown instanceof GrpcError) return thrown;
  if (thrown instanceof MeshError && thrown.code !== 'internal') {
    return { code: FROM_MESH[thrown.code], message: thrown.message };
  }
  return { code: GrpcCode.internal, message: 'internal error; the log of the control plane has the cause' };
}

/** `grpc-message` is percent-encoded UTF-8: only printable ASCII without `%` stands for itself. */
export function encodeMessage(text: string): string {
  let out = '';
  for (const byte of Buffer.from(text.slice(0, 1024), 'utf8')) {
    out +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/** Reverse of `encodeMessage`; text that is not well formed is returned as it came, as the specification asks. */
export function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
