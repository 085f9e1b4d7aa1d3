import { names } from '../base/index.js';
import type { TokenReviewStatus } from '../kube/index.js';
import { refused, type Refusal } from './refusal.js';

export type { TokenReviewStatus };

/**
 * Port: asks the API server about a token. Throws when it cannot be asked. The answer is for this one token; it must
 * not be cached beyond the call.
 */
export type TokenReviewer = (
  token: string,
  audience: string,
  signal: AbortSignal,
) => Promise<TokenReviewStatus>;

/** A pod that a token has proven. */
export interface ProvenPod {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly name: string;
  readonly uid: string;
}

const POD_NAME = 'authentication.kubernetes.io/pod-name';
const POD_UID = 'authentication.kubernetes.io/pod-uid';
const USERNAME = /^system:serviceaccount:([^:]+):([^:]+)$/;

/**
 * Whom a reviewed token proves. Nothing but the review counts: the audience must be among `status.audiences` (an API
 * server that does not know audiences leaves them out, and is refused), and the token must be bound to a pod.
 */
export function judgeReview(
  status: TokenReviewStatus,
): { readonly kind: 'proven'; readonly pod: ProvenPod } | Refusal {
  if (status.authenticated !== true) {
    const why = status.error ?? 'no reason given';
    return refused('invalid-token', `the API server does not accept the token: ${why}`);
  }
  if (status.audiences?.includes(names.TOKEN_AUDIENCE) !== true) {
    return wrongAudience(status.audiences);
  }
  return judgeUser(status.user ?? {});
}

function judgeUser(
  user: NonNullable<TokenReviewStatus['user']>,
): { readonly kind: 'proven'; readonly pod: ProvenPod } | Refusal {
  const username = user.username ?? '';
  const [, namespace, serviceAccount] = USERNAME.exec(username) ?? [];
  if (namespace === undefined || serviceAccount === undefined) {
    return refused('not-service-account', `the token belongs to "${username}", not to a service account`);
  }
  const extra = user.extra ?? {};
  const [name, uid] = [onlyValue(extra[POD_NAME]), onlyValue(extra[POD_UID])];
  if (name === '' || uid === '') {
    return refused(
      'no-pod',
      `the token of ${namespace}/${serviceAccount} is not bound to a pod; ` +
        'use the projected token that the webhook mounts, not a Secret or "kubectl create token"',
    );
  }
  return { kind: 'proven', pod: { namespace, serviceAccount, name, uid } };
}

function onlyValue(values: readonly string[] = []): string {
  return values.length === 1 ? (values[0] ?? '') : '';
}

function wrongAudience(audiences: readonly string[] | undefined): Refusal {
  return refused(
    'wrong-audience',
    `the token is for audience ${quoted(audiences)}, not for "${names.TOKEN_AUDIENCE}"; ` +
      'use the projected token that the webhook mounts',
  );
}

/**
 * Says more about a token that the API server refused: its answer is one for wrong audience, expired and forged alike.
 * Reads the token's claims without believing them, and so only ever turns one refusal into another.
 */
export function explainRefusedToken(token: string, refusal: Refusal, now: number): Refusal {
  if (refusal.reason !== 'invalid-token') return refusal;
  const { audiences, expires } = unverifiedClaims(token);
  if (audiences?.includes(names.TOKEN_AUDIENCE) === false) return wrongAudience(audiences);
  if (expires !== undefined && expires * 1000 <= now) {
    return refused(
      'expired-token',
      `the token expired at ${new Date(expires * 1000).toISOString()}; read it from its volume again for each request`,
    );
  }
  return refusal;
}

function quoted(audiences: readonly string[] | undefined): string {
  return audiences === undefined || audiences.length === 0
    ? 'none'
    : audiences
        .map((a) => `"${a.slice(0, 100)}"`)
        .slice(0, 5)
        .join(', ');
}

function unverifiedClaims(token: string): {
  readonly audiences: readonly string[] | undefined;
  /** Seconds since 1970. */
  readonly expires: number | undefined;
} {
  const claims = parseJson(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
  if (typeof claims !== 'object' || claims === null) return { audiences: undefined, expires: undefined };
  return {
    audiences: 'aud' in claims ? textsOf(claims.aud) : undefined,
    expires: 'exp' in claims ? secondsOf(claims.exp) : undefined,
  };
}

function textsOf(value: unknown): readonly string[] | undefined {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : undefined;
}

/** What a date can hold. */
function secondsOf(value: unknown): number | undefined {
  return typeof value === 'number' && Math.abs(value) < 8e12 ? value : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
