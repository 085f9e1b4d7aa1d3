import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { KINDS } from '../../api/index.js';
import { Kinds, ownKinds, type KindRow } from './index.js';
import { RULES_FILE, documentedRights, rulesTemplate } from './rights.js';

const rows = Object.entries<KindRow>(Kinds);

test('the rules of the chart are what the rows ask for; run make generate', () => {
  expect(readFileSync(RULES_FILE, 'utf8')).toBe(rulesTemplate());
});

test('docs/rbac.md says what each right is for', () => {
  const lines = readFileSync('docs/rbac.md', 'utf8').split('\n');
  expect(lines).toEqual(expect.arrayContaining([...documentedRights()]));
});

test('the chart permits to look whether the kinds whose objects stay in force are being deleted, and no others', () => {
  const chart = readFileSync('charts/weft/templates/rbac.yaml', 'utf8');
  const listed = /customresourcedefinitions\]\n +resourceNames: \[(.*)\]/.exec(chart)?.[1]?.split(', ');
  const lasting = rows.filter(([, { feed }]) => feed?.lasting === true);
  expect(listed).toEqual(lasting.map(([, { resource }]) => `${resource.plural}.weft.dev`).sort());
});

test('no two informers hold the same objects', () => {
  const at = { systemNamespace: 'weft-system', revision: 'r' };
  const held = rows.map(([, row]) => JSON.stringify([row.resource, row.within?.(at)]));
  expect(new Set(held).size).toBe(rows.length);
});

test.each(rows)('%s: who reads all of them says why, and who writes a status, too', (_name, row) => {
  const at = { systemNamespace: 'weft-system', revision: 'r' };
  expect(row.access === undefined).toBe(row.within?.(at).namespace !== undefined);
  expect(row.access?.status === undefined).toBe(row.status === undefined);
});

test('each kind that has a schema has a row', () => {
  expect(ownKinds().map(({ api }) => api.kind)).toEqual(KINDS.map(({ kind }) => kind));
});

const crds = parseAllDocuments(readFileSync('deploy/crds.yaml', 'utf8')).map(
  (document) => document.toJS() as unknown,
);

describe.each(ownKinds().map((row) => [row.api.kind, row] as const))(
  '%s',
  (_kind, { api, resource, feed }) => {
    test('is in the chart of the CRDs, and in what is rendered of it', () => {
      const crd: unknown = parse(readFileSync(`charts/weft-crds/templates/${api.plural}.yaml`, 'utf8'));
      const group = resource.apiVersion.split('/')[0] ?? '';
      expect(crd).toMatchObject({
        metadata: { name: `${resource.plural}.${group}` },
        spec: { group, scope: api.scope, names: { kind: resource.kind, plural: resource.plural } },
      });
      expect(crds).toContainEqual(crd);
    });

    test('has a page of reference that the index of the documentation names', () => {
      const page = `reference/${api.singular}.md`;
      expect(existsSync(`docs/${page}`)).toBe(true);
      expect(readFileSync('docs/README.md', 'utf8')).toContain(`[${api.kind}](${page})`);
    });

    test('keeps its last good form where its objects go into a table', () => {
      expect(feed?.written ?? true).toBe(true);
    });
  },
);
