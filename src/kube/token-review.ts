import type { KubeClient } from './client.js';

/** Status of an `authentication.k8s.io/v1` TokenReview. */
export interface TokenReviewStatus {
  readonly authenticated?: boolean;
  readonly audiences?: readonly string[];
  readonly error?: string;
  readonly user?: {
    readonly username?: string;
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
}

/** Asks the API server whose token this is, for one audience. Throws when it cannot be asked. */
export function tokenReviewer(
  client: KubeClient,
): (token: string, audience: string, signal: AbortSignal) => Promise<TokenReviewStatus> {
  return async (token, audience, signal) => {
    const review = (await client.request({
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/tokenreviews',
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, audiences: [audience] },
      },
      signal,
      timeoutMs: 5_000,
      lane: 'review',
    })) as { status?: TokenReviewStatus };
    return review.status ?? {};
  };
}
