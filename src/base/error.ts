import type { ZodError } from 'zod';

/**
 * What kind of failure this is, for code that decides. The message is for a person.
 * `invalid` and `precondition` need somebody to change something; `unavailable`, `timeout` and `conflict` may pass
 * when tried again; `expired` says that a saved position or credential is too old to be of use.
 */
export type ErrorCode =
  | 'invalid'
  | 'not-found'
  | 'already-exists'
  | 'conflict'
  | 'expired'
  | 'unauthenticated'
  | 'permission-denied'
  | 'precondition'
  | 'unavailable'
  | 'timeout'
  | 'aborted'
  | 'internal';

const RETRYABLE: ReadonlySet<ErrorCode> = new Set([
  'conflict',
  'expired',
  'unavailable',
  'timeout',
  'internal',
]);

/** The one error class of the control plane: a code to decide by, a message that says what to do, the cause beneath. */
export class MeshError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'MeshError';
    this.code = code;
  }

  /** Whether trying the same thing again later can help. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code);
  }

  /** Turns whatever was thrown into a MeshError; one that already is passes through. */
  static from(thrown: unknown, fallback: ErrorCode = 'internal'): MeshError {
    if (thrown instanceof MeshError) return thrown;
    if (!isError(thrown)) return new MeshError(fallback, String(thrown), { cause: thrown });
    return new MeshError(codeOf(thrown) ?? fallback, textOf(thrown), { cause: thrown });
  }
}

/** Codes of Node's own errors, each with the situation that raises it. */
const NODE_CODES: Readonly<Record<string, ErrorCode>> = {
  ECONNREFUSED: 'unavailable', // nobody listens there
  ECONNRESET: 'unavailable', // the peer went away
  EPIPE: 'unavailable', // the peer went away while we wrote
  EHOSTUNREACH: 'unavailable', // no route
  ENETUNREACH: 'unavailable', // no route
  ENOTFOUND: 'unavailable', // the name does not resolve (yet)
  EAI_AGAIN: 'unavailable', // the resolver did not answer
  ETIMEDOUT: 'timeout', // no answer from the network
  ABORT_ERR: 'aborted', // an AbortSignal fired
};

/** By shape and not by class: an error may come from another realm (a worker, a vm context). */
function isError(thrown: unknown): thrown is Error {
  return (
    typeof thrown === 'object' &&
    thrown !== null &&
    'message' in thrown &&
    typeof thrown.message === 'string' &&
    'name' in thrown
  );
}

/** What a person reads. The message of zod, whose copies are several, is JSON: of that the fields and what is wrong with them. */
function textOf(error: Error): string {
  if (error.name !== 'ZodError' || !('issues' in error)) return error.message || error.name;
  return (error.issues as ZodError['issues'])
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`))
    .join('; ');
}

function codeOf(error: Error): ErrorCode | undefined {
  if (error.name === 'AbortError') return 'aborted';
  if (error.name === 'TimeoutError') return 'timeout';
  const code = 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? NODE_CODES[code] : undefined;
}
