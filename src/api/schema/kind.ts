import * as z from 'zod';
import { names } from '../../base/index.js';
import type { Rule } from './rule.js';

/** A custom resource: its type, schema, documentation and how kubectl shows it, from one text. */
export interface Kind {
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly scope: 'Namespaced' | 'Cluster';
  readonly description: string;
  /** The whole object. */
  readonly schema: z.ZodType;
  /** What the user types. */
  readonly spec: z.ZodType;
  /** Rules on the whole object, such as on its name. */
  readonly rules: readonly Rule<{ readonly metadata: { readonly name: string } }>[];
  /** It has status conditions, as a subresource. */
  readonly status: boolean;
  /** What `kubectl get` prints after the name. */
  readonly columns: readonly { readonly name: string; readonly type: string; readonly jsonPath: string }[];
}

const metadata = z.looseObject({
  name: z.string(),
  namespace: z.string().optional(),
  uid: z.string().optional(),
  generation: z.number().optional(),
  creationTimestamp: z.union([z.string(), z.date().transform((date) => date.toISOString())]).optional(),
});

/** The object of a kind as the API server keeps it; strict in what the user types, open in what others write. */
export function objectSchema<K extends string, S extends z.ZodType>(kind: K, spec: S): ObjectSchema<K, S> {
  return z.strictObject({
    apiVersion: z.literal(API_VERSION),
    kind: z.literal(kind),
    metadata,
    spec,
    status: z.unknown().optional(),
  });
}

const API_VERSION = `${names.API_GROUP}/${names.API_VERSION}` as const;

type ObjectSchema<K extends string, S extends z.ZodType> = z.ZodObject<
  {
    apiVersion: z.ZodLiteral<typeof API_VERSION>;
    kind: z.ZodLiteral<K>;
    metadata: typeof metadata;
    spec: S;
    status: z.ZodOptional<z.ZodUnknown>;
  },
  z.core.$strict
>;
