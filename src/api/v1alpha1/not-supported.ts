import type { CelValidation } from '../schema/rule.js';
import { nodesAt, property } from '../schema/nodes-at.js';
import { type StructuralSchema, withValidation } from '../schema/structural.js';
import type { Kind, Unsupported } from '../schema/kind.js';

/** A field that was set and does nothing yet. */
export interface NotSupported {
  /** Where it is, such as `spec.routes[0].timeouts`. */
  readonly path: string;
  readonly message: string;
}

/** Adds to the schema of a kind's spec one rule for each field of it that does nothing yet. */
export function refuseUnsupported({ unsupported = [] }: Kind, spec: StructuralSchema): StructuralSchema {
  return unsupported.reduce((schema, row) => {
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

/** Every field of an object of a kind that is set and not supported yet. */
export function findUnsupported({ unsupported = [] }: Kind, object: unknown): readonly NotSupported[] {
  return unsupported.flatMap((row) => {
    const { parent, field, value } = parse(row);
    return nodesAt(object, parent.split('.'))
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

function isSet(node: unknown, field: string, value: string | undefined): boolean {
  const found = property(node, field);
  return value === undefined ? found !== undefined : found === value;
}
