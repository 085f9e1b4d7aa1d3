import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { type StructuralSchema, fieldsOf } from '../schema/structural.js';
import { KINDS } from '../v1alpha1/kinds.js';
import { generatedFiles } from './files.js';
import { specSchema } from './kind-schema.js';

const files = [...generatedFiles()];

test.each(files)('the committed %s is what its source makes; run make generate', (path, text) => {
  expect(readFileSync(path, 'utf8')).toBe(text);
});

const crds = files.filter(([, text]) => text.includes('kind: CustomResourceDefinition'));

test('who edits a namespace edits our objects in it, but not who may call, nor what holds for the whole mesh', () => {
  const roles = generatedFiles().get('charts/weft-crds/templates/user-roles.yaml') ?? '';
  const rights = parseAllDocuments(roles).map((document) => {
    const { metadata, rules } = document.toJS() as UserRole;
    return [metadata.labels, rules[0]?.resources];
  });
  const to = (role: string): object => ({ [`rbac.authorization.k8s.io/aggregate-to-${role}`]: 'true' });
  expect(rights).toEqual([
    [to('view'), expect.arrayContaining(['trafficpolicies', 'meshconfigs'])],
    [to('edit'), ['trafficpolicies']],
    [to('admin'), ['meshroles', 'meshrolebindings', 'meshtlspolicies', 'jwtissuers', 'externalservices']],
  ]);
});

interface UserRole {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly rules: readonly { readonly resources: readonly string[] }[];
}

describe.each(crds)('%s', (_path, text) => {
  test('means the same to readers of YAML 1.1 and 1.2', () => {
    expect(parse(text, { version: '1.1' })).toEqual(parse(text));
  });

  test('holds nothing that Helm would take for a template', () => {
    expect(text).not.toContain('{{');
  });

  test('is kept when the chart is uninstalled, because deleting it would delete every policy', () => {
    expect(parse(text).metadata.annotations).toEqual({ 'helm.sh/resource-policy': 'keep' });
  });

  test('has no keyword that a structural schema forbids', () => {
    expect(text).not.toMatch(/additionalProperties: (false|true)|\$ref|exclusiveM|const:/);
    // A field of ours may have such a name; the keyword has a list.
    expect(text).not.toMatch(/(anyOf|oneOf|allOf): *\n *- /);
  });
});

/** What lacks a bound, which the API server needs to estimate the cost of rules. */
function unbounded(schema: StructuralSchema): boolean {
  const { keywords } = schema;
  const bounds: Record<string, boolean> = {
    string: keywords['maxLength'] !== undefined || keywords['enum'] !== undefined,
    integer: keywords['minimum'] !== undefined && keywords['maximum'] !== undefined,
    array: keywords['maxItems'] !== undefined,
    object: schema.additionalProperties === undefined || keywords['maxProperties'] !== undefined,
    boolean: true,
  };
  const { items, additionalProperties } = schema;
  const parts = [items, additionalProperties].filter((part) => part !== undefined);
  return bounds[schema.type] !== true || parts.some(unbounded);
}

test.each(KINDS.map((kind) => [kind.kind, kind] as const))(
  'every field of %s is bounded and described',
  (_name, kind) => {
    const fields = fieldsOf(specSchema(kind), 'spec');
    expect(fields.filter(([, schema]) => unbounded(schema)).map(([path]) => path)).toEqual([]);
    expect(fields.filter(([, schema]) => schema.description === undefined).map(([path]) => path)).toEqual([]);
  },
);
