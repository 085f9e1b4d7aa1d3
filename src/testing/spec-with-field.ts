import { trafficPolicy } from '../api/index.js';
import { type StructuralSchema, toStructural } from '../api/schema/structural.js';

/** The spec that sets the field of a row such as `spec.routes[].timeouts`, or to its value `spec.a=b`, and no more. */
export function specWithField(row: string): object {
  const [path = '', value] = row.split('=');
  const steps = path.replaceAll('[]', '.[]').split('.').slice(1);
  return Object(build(toStructural(trafficPolicy.spec), steps, value)) as object;
}

/** A value of the schema's types that leads to the field; what is required on the way is filled in. */
function build(schema: StructuralSchema, steps: readonly string[], value: string | undefined): unknown {
  const [step, ...rest] = steps;
  if (step === undefined) return value ?? sample(schema);
  if (step === '[]' && schema.items !== undefined) return [build(schema.items, rest, value)];
  const child = schema.properties?.[step];
  if (child === undefined) throw new Error(`the schema has no field ${step}`);
  return { ...Object(sample(schema)), [step]: build(child, rest, value) };
}

function sample(schema: StructuralSchema): unknown {
  const [choice] = [schema.keywords['enum']].flat();
  if (choice !== undefined) return choice;
  if (schema.type === 'string') return '1s';
  if (schema.type === 'integer') return schema.keywords['minimum'];
  if (schema.items !== undefined) return [sample(schema.items)];
  const required = Object.entries(schema.properties ?? {}).filter(([name]) =>
    schema.required?.includes(name),
  );
  return Object.fromEntries(required.map(([name, child]) => [name, sample(child)]));
}
