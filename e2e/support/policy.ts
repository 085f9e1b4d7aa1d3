import { eventually, get } from './run.js';

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
}

interface WithConditions {
  readonly metadata: { readonly generation: number };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** An object of one of our kinds. */
export function weftObject(kind: string, namespace: string, name: string, spec: object): object {
  return { apiVersion: 'weft.dev/v1alpha1', kind, metadata: { name, namespace }, spec };
}

export function trafficPolicy(namespace: string, name: string, spec: object): object {
  return weftObject('TrafficPolicy', namespace, name, spec);
}

/** A policy's condition, once it speaks of the current generation; undefined until then. */
export async function condition(
  namespace: string,
  name: string,
  type: string,
): Promise<Condition | undefined> {
  const policy = await get<WithConditions>('trafficpolicy', name, '-n', namespace);
  return policy.status?.conditions?.find(
    (c) => c.type === type && c.observedGeneration === policy.metadata.generation,
  );
}

export function waitForCondition(
  namespace: string,
  name: string,
  type: string,
  status: Condition['status'],
): Promise<Condition> {
  return eventually(
    `${namespace}/${name} is ${type}=${status}`,
    async () => {
      const found = await condition(namespace, name, type);
      if (found !== undefined && found.status !== status)
        throw new Error(`${found.reason}: ${found.message}`);
      return found;
    },
    30,
  );
}
