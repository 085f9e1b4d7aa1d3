import type * as z from 'zod';

/** A demand on a value that a schema's keywords cannot say, once for the API server and once for us. */
export interface Rule<T> {
  /** For the API server, with the value as `self`. */
  readonly cel: string;
  /** What is wrong and what to do. The API server and `weft analyze` name the field in front of it. */
  readonly message: string;
  /** The field at fault below the value, such as `.weight`; the value itself when absent. */
  readonly field?: string;
  /** The same demand for values that do not come through the API server. */
  holds(value: T): boolean;
}

/** One entry of `x-kubernetes-validations`. */
export interface CelValidation {
  readonly rule: string;
  readonly message: string;
  readonly fieldPath?: string;
  readonly reason?: 'FieldValueInvalid' | 'FieldValueForbidden';
}

/** The schema with rules of its own, which `toStructural` carries into the CustomResourceDefinition. */
export function withRules<S extends z.ZodType>(schema: S, ...rules: readonly Rule<z.output<S>>[]): S {
  const validations = rules.map(toValidation);
  return rules
    .reduce((checked, rule) => checked.superRefine((value, context) => check(rule, value, context)), schema)
    .meta({ ...schema.meta(), 'x-kubernetes-validations': validations });
}

function toValidation<T>({ cel, message, field }: Rule<T>): CelValidation {
  return { rule: cel, message, ...(field === undefined ? {} : { fieldPath: field }) };
}

function check<T>(rule: Rule<T>, value: T, context: z.core.$RefinementCtx<T>): void {
  if (rule.holds(value)) return;
  const path = rule.field === undefined ? [] : [rule.field.slice(1)];
  context.issues.push({ code: 'custom', message: rule.message, path, input: value });
}
