import { z } from 'zod';
import { Kinds } from '../controller/index.js';
import { isNotFound, listObjects, type CustomObject, type KubeClient } from '../kube/index.js';
import { MeshError } from '../base/index.js';
import type { PolicyView, WantedShare } from './mesh-view.js';

/** Only what is shown, and forgiving: the page shows policies that the operator refused, too. */
const text = z.string().catch('');
const targetSchema = z.object({
  kind: text,
  name: text,
  namespace: text,
  port: z.number().optional().catch(undefined),
});
const backendSchema = z.object({
  service: z.object({ name: text, namespace: text }).optional().catch(undefined),
  labels: z.record(z.string(), z.string()).optional().catch(undefined),
  weight: z.number().optional().catch(undefined),
});
const routeSchema = z.object({
  name: text,
  match: z.array(z.unknown()).optional().catch(undefined),
  split: z.array(backendSchema).catch([]),
});
const specSchema = z.object({
  targetRefs: z.array(targetSchema).catch([]),
  routes: z.array(routeSchema).catch([]),
});

type Route = z.infer<typeof routeSchema>;
type Backend = z.infer<typeof backendSchema>;

/** All TrafficPolicies, sorted by namespace and name. */
export async function listPolicies(client: KubeClient): Promise<PolicyView[]> {
  try {
    const policies = await listObjects(client, Kinds.policies.resource);
    return policies.map(toPolicyView).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  } catch (thrown) {
    if (!isNotFound(thrown)) throw thrown;
    throw new MeshError(
      'precondition',
      'the cluster does not know TrafficPolicy: install the chart weft-crds',
      { cause: thrown },
    );
  }
}

/** What the page shows of a policy. */
export function toPolicyView({ metadata, spec, conditions }: CustomObject): PolicyView {
  const { targetRefs, routes } = specSchema.catch({ targetRefs: [], routes: [] }).parse(spec);
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    targets: targetRefs.map(({ kind, name, namespace, port }) => {
      const place = namespace === '' ? name : `${namespace}/${name}`;
      return `${kind} ${place}${port === undefined ? '' : `:${port}`}`;
    }),
    routes: routes.map(describeRoute),
    shares: routes.flatMap((route, index) => sharesOf(route, index, metadata.namespace)),
    conditions: conditions.map(({ type, status, reason, message, observedGeneration }) => ({
      type,
      status,
      reason,
      message,
      outdated: observedGeneration < metadata.generation,
    })),
  };
}

function describeRoute({ name, match, split }: Route, index: number): string {
  const total = split.reduce((sum, { weight }) => sum + (weight ?? 1), 0);
  const backends = split.map((backend) => describeBackend(backend, split.length > 1 ? total : 0));
  const which = match === undefined ? '' : ' (where it matches)';
  return `${nameOf(name, index)}${which}: ${backends.join(', ') || 'the whole Service'}`;
}

function nameOf(name: string, index: number): string {
  return name === '' ? `route-${index}` : name;
}

/** What a route with several backends gives each of them. */
function sharesOf({ name, split }: Route, index: number, own: string): readonly WantedShare[] {
  const total = split.reduce((sum, { weight }) => sum + (weight ?? 1), 0);
  if (split.length < 2 || total === 0) return [];
  return split.map(({ service, labels, weight }) => ({
    route: nameOf(name, index),
    service:
      service === undefined ? '' : `${service.namespace === '' ? own : service.namespace}/${service.name}`,
    labels: labelsText(labels),
    share: (weight ?? 1) / total,
  }));
}

function labelsText(labels: Readonly<Record<string, string>> = {}): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.length === 0 ? '' : `{${sorted.map(([label, value]) => `${label}=${value}`).join(',')}}`;
}

function describeBackend({ service, labels, weight }: Backend, total: number): string {
  const chosen = Object.entries(labels ?? {}).map(([label, value]) => `${label}=${value}`);
  const where =
    [...(service === undefined ? [] : [service.name]), ...chosen].join(' ') || 'the whole Service';
  if (total === 0) return where;
  return `${Number((((weight ?? 1) / total) * 100).toFixed(1))} % ${where}`;
}

function keyOf({ namespace, name }: PolicyView): string {
  return `${namespace}/${name}`;
}
