import type { CelValidation } from '../schema/rule.js';
import { type StructuralSchema, withValidation } from '../schema/structural.js';
import { UNSUPPORTED, type Unsupported } from './unsupported.js';

/** A field that was set and does nothing yet. */
export interface NotSupported {
  /** Where it is, such as `spec.routes[0].timeouts`. */
  readonly path: string;
  readonly message: string;
}

/** Adds to the schema of a TrafficPolicy's spec one rule for each row of the table. */
export function refuseUnsupported(spec: StructuralSchema): StructuralSchema {
  return UNSUPPORTED.reduce((schema, row) => {
    const { parent } = parse(row);
    return withValidation(schema, parent.replace(/^spec\.?/, ''), validationOf(row));
  }, spec);
}

/** The rule of one row, on the object that holds the field. */
export function validationOf(row: Unsupported): CelValidation {
  const { field, value } = parse(row);
  return {
    rule: value === undefined ? `!has(self.${field})` : `!has(self.${field}) || self.${field} != '${value}'`,
    message: messageOf(row),
    fieldPath: `.${field}`,
    reason: 'FieldValueForbidden',
  };
}

/** Every field of a TrafficPolicy object that is set and not supported yet. */
export function findUnsupported(object: unknown): readonly NotSupported[] {
  return UNSUPPORTED.flatMap((row) => {
    const { parent, field, value } = parse(row);
    return nodesAt(object, parent.split('.'), '')
      .filter((found) => isSet(found.node, field, value))
      .map((found) => ({ path: `${found.path}.${field}`, message: messageOf(row) }));
  });
}

function messageOf(row: Unsupported): string {
  const { field, value } = parse(row);
  return `${field}${value === undefined ? '' : `: ${value}`} is not supported yet; ${row.remedy}`;
}

interface Row {
  /** Path of the object that holds the field. */
  readonly parent: string;
  readonly field: string;
  readonly value: string | undefined;
}

function parse({ path }: Unsupported): Row {
  const [place = '', value] = path.split('=');
  const dot = place.lastIndexOf('.');
  return { parent: place.slice(0, dot), field: place.slice(dot + 1), value };
}

interface Found {
  readonly path: string;
  readonly node: unknown;
}

function nodesAt(node: unknown, steps: readonly string[], path: string): readonly Found[] {
  const [step, ...rest] = steps;
  if (step === undefined) return [{ path, node }];
  const name = step.replace('[]', '');
  const child = property(node, name);
  const childPath = path === '' ? name : `${path}.${name}`;
  if (!step.endsWith('[]')) return child === undefined ? [] : nodesAt(child, rest, childPath);
  if (!Array.isArray(child)) return [];
  return child.flatMap((item: unknown, index) => nodesAt(item, rest, `${childPath}[${index}]`));
}

function isSet(node: unknown, field: string, value: string | undefined): boolean {
  const found = property(node, field);
  return value === undefined ? found !== undefined : found === value;
}

function property(node: unknown, name: string): unknown {
  if (typeof node !== 'object' || node === null) return undefined;
  return Object.entries(node).find(([key]) => key === name)?.[1];
}
