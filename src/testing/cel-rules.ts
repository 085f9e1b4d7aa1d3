import { type CelInput, celEnv, parse, plan } from '@bufbuild/cel';
import type { StructuralSchema } from '../api/schema/structural.js';

/** A rule of a schema that a value breaks. */
export interface BrokenRule {
  readonly path: string;
  readonly message: string;
}

/** Evaluates the CEL rules of a schema on a value as the API server does: bottom up, an error being a refusal. */
export function brokenRules(schema: StructuralSchema, value: unknown, path: string): BrokenRule[] {
  const own = schema.validations
    .filter(({ rule }) => !celHolds(rule, { self: value }))
    .map(({ message, fieldPath }) => ({ path: `${path}${fieldPath ?? ''}`, message }));
  return [...childrenOf(schema, value, path), ...own];
}

function childrenOf(schema: StructuralSchema, value: unknown, path: string): BrokenRule[] {
  if (Array.isArray(value) && schema.items !== undefined) {
    const { items } = schema;
    return value.flatMap((item: unknown, index) => brokenRules(items, item, `${path}[${index}]`));
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, child]) => {
    const childSchema = schema.properties?.[name];
    return childSchema === undefined ? [] : brokenRules(childSchema, child, `${path}.${name}`);
  });
}

const env = celEnv();
const programs = new Map<string, ReturnType<typeof plan>>();

/** Whether an expression is true of these variables; one that fails is not. */
export function celHolds(rule: string, variables: Readonly<Record<string, unknown>>): boolean {
  const program = programs.get(rule) ?? plan(env, parse(rule));
  programs.set(rule, program);
  const bound = Object.entries(variables).map(([name, value]) => [name, toCel(value)] as const);
  return program(Object.fromEntries(bound)) === true;
}

/** Whole numbers of a schema are integers of CEL. */
function toCel(value: unknown): CelInput {
  if (typeof value === 'number') return BigInt(value);
  if (Array.isArray(value)) return value.map(toCel);
  if (typeof value !== 'object' || value === null) return value as CelInput;
  return new Map(Object.entries(value).map(([name, child]) => [escaped(name), toCel(child)]));
}

/** The API server writes fields that are named like a reserved word of CEL so. */
function escaped(name: string): string {
  return name === 'namespace' ? '__namespace__' : name;
}
