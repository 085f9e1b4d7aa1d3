import { names } from '../../base/index.js';
import type { Kind } from './kind.js';
import { type StructuralSchema, fieldsOf } from './structural.js';

/** The reference page of a kind. `note` adds a word to a field, such as that it is not supported yet. */
export function toMarkdown(kind: Kind, spec: StructuralSchema, note: (path: string) => string): string {
  const rows = fieldsOf(spec, 'spec').map(
    ([path, field, required]) =>
      `| \`${path}\` | ${typeText(field)}${required ? ' *' : ''} | ${escape(`${field.description ?? ''}${note(path)}`)} |`,
  );
  return [
    `# ${kind.kind}`,
    '',
    kind.description,
    '',
    `\`apiVersion: ${names.API_GROUP}/${names.API_VERSION}\`, ${scopeText(kind)}; short name \`${kind.shortNames.join('`, `')}\`.`,
    'Required fields are marked with an asterisk behind their type.',
    '',
    '| field | type | meaning |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function scopeText(kind: Kind): string {
  return kind.scope === 'Cluster' ? 'one for the cluster' : 'in a namespace';
}

function typeText(field: StructuralSchema): string {
  const { keywords } = field;
  if (Array.isArray(keywords['enum']))
    return keywords['enum'].map((value) => `\`${String(value) || '""'}\``).join(', ');
  if (field.items !== undefined)
    return `list${bounds(keywords['minItems'], keywords['maxItems'])} of ${typeText(field.items)}`;
  if (field.additionalProperties !== undefined) return 'map of strings';
  const [low, high] = [
    keywords['minLength'] ?? keywords['minimum'],
    keywords['maxLength'] ?? keywords['maximum'],
  ];
  return `${field.type}${bounds(low, high)}`;
}

function bounds(low: unknown, high: unknown): string {
  return typeof high === 'number' ? ` (${Number(low ?? 0)} to ${high})` : '';
}

function escape(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ');
}
