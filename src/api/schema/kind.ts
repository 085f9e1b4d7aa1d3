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
  /** It says who may do what, or how callers prove who they are: in a namespace only its administrators write it, as with roles of Kubernetes. */
  readonly grantsAccess?: true;
  readonly description: string;
  /** The whole object. */
  readonly schema: z.ZodType;
  /** What the user types. */
  readonly spec: z.ZodType;
  /** Rules on the whole object, such as on its name. */
  readonly rules: readonly Rule<{ readonly metadata: { readonly name: string } }>[];
  /** It has status conditions, as a subresource. */
  readonly status: boolean;
  /** What the schema has and the mesh does not do yet: refused, with what to do. */
  readonly unsupported?: readonly Unsupported[];
  /** What works and should be written otherwise. */
  readonly deprecated?: readonly Deprecated[];
  /** What `kubectl get` prints after the name. */
  readonly columns: readonly { readonly name: string; readonly type: string; readonly jsonPath: string }[];
}

/** A field that does nothing yet; with `=` and a value behind it, that value of the field. Lists have `[]` behind them. */
export interface Unsupported {
  readonly path: string;
  /** What to do, after "not supported yet". */
  readonly remedy: string;
}

/** A field that still works under an old name. */
export interface Deprecated {
  /** With `[]` behind a list. */
  readonly path: string;
  /** What to write instead. */
  readonly remedy: string;
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
