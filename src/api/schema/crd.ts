import { names } from '../../base/index.js';
import type { Kind } from './kind.js';
import { type StructuralSchema, toOpenApi } from './structural.js';

/** The CustomResourceDefinition of a kind, with the schema of its spec as given. */
export function toCrd(kind: Kind, spec: StructuralSchema): Readonly<Record<string, unknown>> {
  const { plural, singular, shortNames } = kind;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${names.API_GROUP}`,
      annotations: { 'helm.sh/resource-policy': 'keep' },
      labels: { 'app.kubernetes.io/name': 'weft', 'app.kubernetes.io/part-of': 'weft' },
    },
    spec: {
      group: names.API_GROUP,
      scope: kind.scope,
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural,
        singular,
        shortNames,
        categories: ['weft'],
      },
      versions: [version(kind, spec)],
    },
  };
}

function version(kind: Kind, spec: StructuralSchema): Readonly<Record<string, unknown>> {
  const rules = kind.rules.map(({ cel, message }) => ({ rule: cel, message }));
  return {
    name: names.API_VERSION,
    served: true,
    storage: true,
    additionalPrinterColumns: kind.columns,
    ...(kind.status ? { subresources: { status: {} } } : {}),
    schema: {
      openAPIV3Schema: {
        description: kind.description,
        type: 'object',
        required: ['spec'],
        properties: {
          apiVersion: { type: 'string' },
          kind: { type: 'string' },
          metadata: { type: 'object' },
          spec: toOpenApi(spec),
          ...(kind.status ? { status: STATUS } : {}),
        },
        ...(rules.length === 0 ? {} : { 'x-kubernetes-validations': rules }),
      },
    },
  };
}

/** Conditions as every Kubernetes API has them. */
const STATUS = {
  description: 'What became of the object.',
  type: 'object',
  properties: {
    conditions: {
      description:
        'Accepted: it makes sense and wins over its rivals. ResolvedRefs: what it refers to exists. Programmed: the proxies that use it took it.',
      type: 'array',
      maxItems: 8,
      items: {
        type: 'object',
        required: ['lastTransitionTime', 'message', 'reason', 'status', 'type'],
        properties: {
          lastTransitionTime: { type: 'string', format: 'date-time' },
          message: { type: 'string', maxLength: 32768 },
          observedGeneration: { type: 'integer', format: 'int64', minimum: 0 },
          reason: { type: 'string', minLength: 1, maxLength: 1024 },
          status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
          type: { type: 'string', maxLength: 316 },
        },
      },
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
    },
  },
};
