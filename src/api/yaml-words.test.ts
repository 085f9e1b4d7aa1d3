import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { names } from '../base/index.js';
import { AS_KUBECTL, parseManifests } from './manifests.js';
import { specSchema } from './generate/kind-schema.js';
import { fieldsOf } from './schema/structural.js';
import { DEPRECATED } from './v1alpha1/deprecated.js';
import { KINDS } from './v1alpha1/kinds.js';

/** Words that YAML 1.1 reads as something else than text, in any case. */
const WORDS = new Set(['y', 'n', 'yes', 'no', 'on', 'off', 'null', 'true', 'false', '~']);

/** Every YAML file and every YAML block of a page, by its place. Templates of charts are looked at as rendered. */
const texts = ['docs', 'charts', 'deploy', 'e2e', 'README.md', 'CHANGELOG.md', 'kind-config.yaml'].flatMap(
  (place) => (place.includes('.') ? [place] : filesBelow(place)).flatMap(yamlOf),
);

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`)
    .filter((path) => !path.includes('/node_modules/'));
}

function yamlOf(path: string): readonly (readonly [place: string, text: string])[] {
  if (path.endsWith('.md')) {
    const blocks = [...readFileSync(path, 'utf8').matchAll(/^ *```ya?ml\n(.*?)^ *```$/gms)];
    return blocks.map(([, block], index) => [`${path}, block ${index + 1}`, block ?? '']);
  }
  if (!/\.ya?ml$/.test(path)) return [];
  const text = readFileSync(path, 'utf8');
  return text.includes('{{') ? [] : [[path, text]];
}

const read = (text: string, options: Parameters<typeof parseAllDocuments>[1]): readonly unknown[] =>
  parseAllDocuments(text, options).map((document) => {
    if (document.errors.length > 0) throw new Error(document.errors.join());
    return document.toJS() as unknown;
  });

test('there are files and blocks to look at in each place', () => {
  for (const place of ['docs/', 'charts/weft/', 'charts/weft-crds/', 'deploy/', 'e2e/', 'README.md']) {
    expect(texts.filter(([path]) => path.startsWith(place)).length).toBeGreaterThan(0);
  }
});

test.each(texts)('%s means the same in YAML 1.1 and 1.2', (_place, text) => {
  expect(read(text, AS_KUBECTL)).toEqual(read(text, { version: '1.2' }));
});

describe('no name that a user types is a word that YAML 1.1 reads as something else', () => {
  const deprecated = DEPRECATED.map(({ path }) => path);
  const fields = KINDS.flatMap((kind) => fieldsOf(specSchema(kind), 'spec'));

  test('fields', () => {
    const bad = fields
      .map(([path]) => path)
      .filter((path) => WORDS.has(path.replace(/\[\]$/, '').split('.').at(-1)?.toLowerCase() ?? ''));
    expect(bad.filter((path) => !deprecated.includes(path.replace(/\[\]$/, '')))).toEqual([]);
  });

  test('values', () => {
    const values = fields.flatMap(([, { keywords }]) =>
      Array.isArray(keywords['enum']) ? keywords['enum'].map(String) : [],
    );
    expect(values.length).toBeGreaterThan(20);
    expect(values.filter((value) => WORDS.has(value.toLowerCase()))).toEqual([]);
  });

  test('kinds, labels and annotations', () => {
    const typed = [
      ...KINDS.flatMap(({ kind, plural, singular, shortNames }) => [kind, plural, singular, ...shortNames]),
      ...[...Object.values(names.Label), ...Object.values(names.Annotation)].map((name) =>
        name.replace(/.*\//, ''),
      ),
    ];
    expect(typed.filter((name) => WORDS.has(name.toLowerCase()))).toEqual([]);
  });
});

test('a manifest is read as kubectl reads it', () => {
  const text = 'on: 1\nmode: 0644\nat: 12:30\nday: 2026-01-02\nsafe: "on"\n';
  expect(parseManifests(text, 'a file')).toEqual([
    { true: 1, mode: 0o644, at: '12:30', day: '2026-01-02', safe: 'on' },
  ]);
});

test('a manifest that is not YAML is refused by its name', () => {
  expect(() => parseManifests('a: [', 'policy.yaml')).toThrow('policy.yaml is not valid YAML');
});
