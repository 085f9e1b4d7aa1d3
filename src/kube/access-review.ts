import type { KubeClient } from './client.js';

/** Something that somebody may, or may not, do. */
export interface Right {
  /** Empty: of the whole cluster. */
  readonly namespace: string;
  /** Default: the core group. */
  readonly group?: string;
  readonly verb: string;
  readonly resource: string;
  readonly subresource?: string;
}

/** Whether RBAC, or whoever else decides, lets us do it. */
export async function mayI(client: KubeClient, right: Right): Promise<boolean> {
  const review = (await client.request({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: right },
    },
    timeoutMs: 5_000,
    lane: 'review',
  })) as { status?: { allowed?: boolean } };
  return review.status?.allowed === true;
}
