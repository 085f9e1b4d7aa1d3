import { MeshError, type ErrorCode } from '../base/index.js';

/** What an HTTP status of the API server means to us, each with the situation that raises it. */
const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid', // a request the server cannot read; a bad label selector
  401: 'unauthenticated', // our token is missing, expired or not for this server
  403: 'permission-denied', // RBAC does not allow it
  404: 'not-found', // no such object; no such kind (its CRD is not installed)
  405: 'invalid', // a verb the resource does not have
  408: 'timeout',
  409: 'conflict', // somebody wrote in between; for POST: it is there already; for apply: another field owner
  410: 'expired', // the resource version is older than what the server remembers: list again
  415: 'invalid', // patch type the server does not know
  422: 'invalid', // schema or CEL rule refused it; an immutable field changed
  429: 'unavailable', // priority and fairness sheds load; an eviction budget is used up
  500: 'unavailable',
  502: 'unavailable',
  503: 'unavailable',
  504: 'timeout', // also: a list that took too long
};

/** The parts of a `meta.k8s.io/v1 Status` that a person needs. */
interface StatusBody {
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
}

/** The API server was there, understood who asks for what, and refused: unlike a connection that failed. */
export class KubeApiError extends MeshError {
  /** HTTP status of the answer, or `code` of a Status inside a watch. */
  readonly status: number;

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly status: number; readonly cause: unknown },
  ) {
    super(code, message, options);
    this.status = options.status;
  }
}

/** Turns an answer that is not 2xx, or a Status inside a watch, into an error that names the request. */
export function kubeError(
  status: number,
  body: unknown,
  request: { method: string; path: string },
): KubeApiError {
  const { message, reason } = readStatus(body);
  const code = reason === 'AlreadyExists' ? 'already-exists' : (BY_STATUS[status] ?? 'internal');
  return new KubeApiError(code, `${request.method} ${request.path}: ${message ?? `HTTP ${status}`}`, {
    status,
    cause: body,
  });
}

function readStatus(body: unknown): StatusBody {
  if (typeof body !== 'object' || body === null)
    return typeof body === 'string' && body !== '' ? { message: body } : {};
  return body;
}

/** True when the error says the object, or its kind, is not there. */
export function isNotFound(thrown: unknown): boolean {
  return MeshError.from(thrown).code === 'not-found';
}

/** The value, or undefined where the API server answers 404. */
export async function orUndefined<T>(pending: Promise<T>): Promise<T | undefined> {
  try {
    return await pending;
  } catch (thrown) {
    if (isNotFound(thrown)) return undefined;
    throw thrown;
  }
}

/** Why a pod could not be asked, in a few words. The request is the same for all; what failed is at the end of the message. */
export function reasonOf(thrown: unknown): string {
  return MeshError.from(thrown).message.replace(/^(GET|POST) \S+: /, '');
}
