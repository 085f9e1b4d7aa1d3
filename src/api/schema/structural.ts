import * as z from 'zod';
import type { CelValidation } from './rule.js';

/** The part of OpenAPI that a CustomResourceDefinition allows and we use. */
export interface StructuralSchema {
  readonly type: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly required?: readonly string[];
  readonly items?: StructuralSchema;
  readonly additionalProperties?: StructuralSchema;
  readonly keywords: Readonly<Record<string, string | number | readonly unknown[]>>;
  readonly validations: readonly CelValidation[];
}

const node = z.strictObject({
  type: z.string(),
  description: z.string().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
  items: z.unknown().optional(),
  additionalProperties: z.unknown().optional(),
  'x-kubernetes-validations': z.array(z.custom<CelValidation>()).optional(),
  enum: z.array(z.unknown()).optional(),
  pattern: z.string().optional(),
  minLength: z.number().optional(),
  maxLength: z.number().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  minItems: z.number().optional(),
  maxItems: z.number().optional(),
  minProperties: z.number().optional(),
  maxProperties: z.number().optional(),
});

/** A zod schema as a structural schema. Throws on what such a schema cannot say, so that nothing is lost silently. */
export function toStructural(schema: z.ZodType): StructuralSchema {
  return convert(z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input' }));
}

/** Unknown fields are the API server's own business: structural schemas forbid `additionalProperties: false`. */
function convert(json: unknown): StructuralSchema {
  const { type, description, properties, required, items, additionalProperties, ...rest } = node.parse(json);
  const { 'x-kubernetes-validations': validations = [], ...given } = rest;
  const keywords = Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return {
    type,
    ...(description === undefined ? {} : { description }),
    ...(properties === undefined ? {} : { properties: mapValues(properties, convert) }),
    ...(required === undefined ? {} : { required }),
    ...(items === undefined ? {} : { items: convert(items) }),
    ...(typeof additionalProperties === 'object'
      ? { additionalProperties: convert(additionalProperties) }
      : {}),
    keywords: Object.fromEntries(keywords),
    validations,
  };
}

/** The schema as it stands in the CustomResourceDefinition. */
export function toOpenApi(schema: StructuralSchema): Readonly<Record<string, unknown>> {
  const { type, description, properties, required, items, additionalProperties, keywords, validations } =
    schema;
  return {
    ...(description === undefined ? {} : { description }),
    type,
    ...keywords,
    ...(required === undefined ? {} : { required }),
    ...(properties === undefined ? {} : { properties: mapValues(properties, toOpenApi) }),
    ...(items === undefined ? {} : { items: toOpenApi(items) }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: toOpenApi(additionalProperties) }),
    ...(validations.length === 0 ? {} : { 'x-kubernetes-validations': validations }),
  };
}

/** Adds rules to the node at a path such as `routes[].match[]`; the empty path is the schema itself. */
export function withValidation(
  schema: StructuralSchema,
  path: string,
  added: CelValidation,
): StructuralSchema {
  if (path === '') return { ...schema, validations: [...schema.validations, added] };
  const { name, lists, rest } = splitPath(path);
  const child = schema.properties?.[name];
  if (child === undefined) throw new Error(`the schema has no field ${path}`);
  return {
    ...schema,
    properties: { ...schema.properties, [name]: withItemValidation(child, lists, rest, added) },
  };
}

function withItemValidation(
  schema: StructuralSchema,
  lists: number,
  path: string,
  added: CelValidation,
): StructuralSchema {
  if (lists === 0) return withValidation(schema, path, added);
  if (schema.items === undefined) throw new Error(`${path} lies in no list`);
  return { ...schema, items: withItemValidation(schema.items, lists - 1, path, added) };
}

/** The schema at a path, where indexes and `[]` both mean the element of a list. */
export function schemaAt(
  schema: StructuralSchema,
  path: readonly PropertyKey[],
): StructuralSchema | undefined {
  const [step, ...rest] = path;
  if (step === undefined) return schema;
  const child = typeof step === 'number' ? schema.items : schema.properties?.[String(step)];
  return child === undefined ? undefined : schemaAt(child, rest);
}

/** Every field: its path, its schema and whether it is required; parents before children. */
export function fieldsOf(schema: StructuralSchema, prefix: string): readonly Field[] {
  const children = Object.entries(schema.properties ?? {}).flatMap(([name, child]): readonly Field[] => {
    const path = `${prefix}.${name}`;
    return [[path, child, schema.required?.includes(name) ?? false], ...fieldsOf(child, path)];
  });
  return schema.items === undefined ? children : [...children, ...fieldsOf(schema.items, `${prefix}[]`)];
}

type Field = readonly [path: string, schema: StructuralSchema, required: boolean];

function splitPath(path: string): { readonly name: string; readonly lists: number; readonly rest: string } {
  const [first = '', ...rest] = path.split('.');
  const name = first.replaceAll('[]', '');
  return { name, lists: (first.length - name.length) / 2, rest: rest.join('.') };
}

function mapValues<T, U>(values: Readonly<Record<string, T>>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value)]));
}
