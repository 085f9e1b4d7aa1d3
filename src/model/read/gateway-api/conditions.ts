import { type NamedCondition, regexProblem } from '../../../api/index.js';
import type { NamedMatch, TextCondition } from '../../words/policy.js';
import type { Notes } from './notes.js';

/** As long as an expression of a TrafficPolicy may be: proxies bound the memory that one may take. */
const MAX_REGEX = 256;

/** Conditions on headers; of two on one name the first counts, as the API says. */
export function readHeaders(
  conditions: readonly NamedCondition[],
  field: string,
  notes: Notes,
): readonly NamedMatch[] {
  const lower = conditions.map((condition) => ({ ...condition, name: condition.name.toLowerCase() }));
  return readNamed(lower, field, notes);
}

/** Conditions on headers or parameters of the query; of two on one name the first counts. */
export function readNamed(
  conditions: readonly NamedCondition[],
  field: string,
  notes: Notes,
): readonly NamedMatch[] {
  const seen = new Set<string>();
  return conditions.flatMap(({ type, name, value }, place) => {
    if (seen.has(name)) return [];
    seen.add(name);
    const condition = readText({ type, value }, `${field}[${place}]`, notes);
    return condition === undefined ? [] : [{ name, condition, invert: false }];
  });
}

/** A text that is exact or an expression. */
export function readText(
  { type, value }: { readonly type: string; readonly value: string },
  field: string,
  notes: Notes,
): TextCondition | undefined {
  if (type === 'Exact') return { kind: 'exact', value };
  if (type === 'RegularExpression') {
    return checkRegex(value, `${field}.value`, notes) ? { kind: 'regex', value } : undefined;
  }
  notes.unsupported(`${field}.type`, `${type} is not supported; use Exact or RegularExpression`);
  return undefined;
}

/** Whether proxies can match it; a single bad expression would make them reject the whole destination. */
export function checkRegex(text: string, field: string, notes: Notes): boolean {
  const problem =
    text.length > MAX_REGEX ? `is longer than the ${MAX_REGEX} characters allowed` : regexProblem(text);
  if (problem !== undefined) notes.unsupported(field, problem);
  return problem === undefined;
}
