import { z } from 'zod';
import { parseManifests } from '../../api/index.js';
import { MeshError } from '../../base/index.js';
import type { Amounts } from '../check/proxy-resources.js';

/** What an installation or an upgrade would have the cluster hold. */
export interface Plan {
  /** Kinds of objects that are made. */
  readonly kinds: readonly PlannedKind[];
  /** Of the control plane, as all that follows. */
  readonly image: string;
  readonly replicas: number;
  readonly cpu: Amounts;
  readonly memory: Amounts;
}

export interface PlannedKind {
  /** As the API server calls it, such as `clusterroles`. */
  readonly resource: string;
  readonly group: string;
  readonly namespaced: boolean;
}

const quantities = z.record(z.string(), z.coerce.string()).default({});
const anything = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.object({ namespace: z.string().optional() }),
});
const deployment = z.object({
  kind: z.literal('Deployment'),
  spec: z.object({
    replicas: z.number().default(1),
    template: z.object({
      spec: z.object({
        containers: z
          .array(
            z.object({
              image: z.string(),
              resources: z.object({ requests: quantities, limits: quantities }).prefault({}),
            }),
          )
          .min(1),
      }),
    }),
  }),
});

/** Helm keeps what it knows of a release in one, beside what the charts hold. */
const SECRETS: PlannedKind = { resource: 'secrets', group: '', namespaced: true };

/** Reads what Helm renders of the charts. */
export function planOf(yaml: string): Plan {
  const objects = parseManifests(yaml, 'what Helm renders');
  const found = objects.map((object) => deployment.safeParse(object)).find(({ success }) => success)?.data;
  const container = found?.spec.template.spec.containers[0];
  if (found === undefined || container === undefined)
    throw new MeshError('internal', 'the chart weft renders no Deployment with these values');
  const { requests, limits } = container.resources;
  const amounts = (resource: string): Amounts => ({
    ...(requests[resource] === undefined ? {} : { request: requests[resource] }),
    ...(limits[resource] === undefined ? {} : { limit: limits[resource] }),
  });
  return {
    kinds: kindsOf(objects.filter((object) => object !== null)),
    image: container.image,
    replicas: found.spec.replicas,
    cpu: amounts('cpu'),
    memory: amounts('memory'),
  };
}

function kindsOf(objects: readonly unknown[]): readonly PlannedKind[] {
  const all = objects.map((object) => {
    const { apiVersion, kind, metadata } = anything.parse(object);
    const group = apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
    return { resource: pluralOf(kind), group, namespaced: metadata.namespace !== undefined };
  });
  return [...new Map([...all, SECRETS].map((one) => [`${one.resource}.${one.group}`, one])).values()];
}

/** As every kind of the charts is called. */
function pluralOf(kind: string): string {
  return kind.toLowerCase().replace(/y$/, 'ie').replace(/s$/, 'se') + 's';
}
