import { type BackendPolicy, toBackendPolicy } from '../model/index.js';

/** How an XBackendTrafficPolicy of a test differs from one on Service `reviews`. */
export interface BackendPolicyFields {
  readonly createdAt?: string;
  readonly generation?: number;
  readonly targets?: readonly object[];
}

/** A Service as the target of a policy. */
export function serviceTarget(name: string): object {
  return { group: '', kind: 'Service', name };
}

/** XBackendTrafficPolicy `shop/<name>` as the API server stores it; its uid is its namespace and name. */
export function backendPolicyObject(
  name: string,
  spec: object,
  fields: BackendPolicyFields = {},
): Record<string, unknown> & { metadata: Record<string, unknown> & { name: string; namespace: string } } {
  const { createdAt = '2026-01-01T00:00:00Z', generation = 1, targets = [serviceTarget('reviews')] } = fields;
  const namespace = 'shop';
  return {
    apiVersion: 'gateway.networking.x-k8s.io/v1alpha1',
    kind: 'XBackendTrafficPolicy',
    metadata: { name, namespace, uid: `${namespace}/${name}`, generation, creationTimestamp: createdAt },
    spec: { targetRefs: targets, ...spec },
  };
}

/** The same, read. */
export function aBackendPolicy(name: string, spec: object, fields: BackendPolicyFields = {}): BackendPolicy {
  const policy = toBackendPolicy(backendPolicyObject(name, spec, fields));
  if (policy === undefined) throw new Error(`${name} has not the shape of a policy`);
  return policy;
}
