import { z } from 'zod';
import { trafficPolicy } from '../../api/index.js';
import { Resources, listObjects, ownResource, type CustomObject, type KubeClient } from '../../kube/index.js';
import type { CallerAnswer } from './answer.js';

const POLICIES = ownResource(trafficPolicy);

const target = z.looseObject({ kind: z.string(), name: z.string(), namespace: z.string().optional() });
const spec = z.looseObject({
  targetRefs: z.array(target).default([]),
  routes: z.array(z.looseObject({ name: z.string().optional() })).default([]),
});

/**
 * The object that the chosen route stands in, such as `TrafficPolicy shop/reviews`; undefined where no user wrote one, or where we may
 * not look. Names of routes of Gateway API begin with that of their object.
 */
export async function policyOf(
  client: KubeClient,
  { destination, route }: CallerAnswer,
  callers: string,
): Promise<string | undefined> {
  const [, namespace, service] = /^([^/]+)\/([^:]+):/.exec(destination?.name ?? '') ?? [];
  if (route === undefined || namespace === undefined || service === undefined) return undefined;
  // That of the caller's own namespace replaces that of the Service's.
  for (const where of new Set([callers, namespace])) {
    const found = await policyIn(client, where, { namespace, service, route });
    if (found !== undefined) return found;
  }
  return undefined;
}

interface Wanted {
  readonly namespace: string;
  readonly service: string;
  readonly route: string;
}

async function policyIn(client: KubeClient, where: string, wanted: Wanted): Promise<string | undefined> {
  const policies = await listObjects(client, POLICIES, { namespace: where }).catch(() => []);
  // The oldest wins whole, then the first by name.
  const [first] = policies.filter((policy) => has(policy, wanted)).sort(byAge);
  if (first !== undefined) return `TrafficPolicy ${where}/${first.metadata.name}`;
  const [object = ''] = wanted.route.split('/');
  if (!wanted.route.includes('/')) return undefined;
  for (const resource of [Resources.grpcRoute, Resources.httpRoute]) {
    const routes = await listObjects(client, resource, { namespace: where }).catch(() => []);
    if (routes.some(({ metadata }) => metadata.name === object)) return `${resource.kind} ${where}/${object}`;
  }
  return undefined;
}

function has({ spec: written, metadata, conditions }: CustomObject, wanted: Wanted): boolean {
  const parsed = spec.safeParse(written);
  if (!parsed.success || conditions.some(({ type, status }) => type === 'Accepted' && status === 'False'))
    return false;
  const targets = parsed.data.targetRefs.some(
    ({ kind, name, namespace = metadata.namespace }) =>
      kind === 'Service' && name === wanted.service && namespace === wanted.namespace,
  );
  const names = parsed.data.routes.map(({ name }, index) => name ?? `route-${index}`);
  return targets && names.includes(wanted.route);
}

function byAge(a: CustomObject, b: CustomObject): number {
  const [first, second] = [a, b].map(({ metadata }) => `${metadata.creationTimestamp} ${metadata.name}`);
  return (first ?? '') < (second ?? '') ? -1 : 1;
}
