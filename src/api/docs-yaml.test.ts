import { describe, expect, test } from '@jest/globals';
import { brokenRules } from '../testing/cel-rules.js';
import { docsExamples } from '../testing/docs-yaml.js';
import { analyze } from './analyze.js';
import { specSchema } from './generate/kind-schema.js';
import { KINDS } from './v1alpha1/kinds.js';

const examples = docsExamples();

test('the pages about routing have examples', () => {
  for (const page of ['routing', 'changing-requests', 'mirroring', 'cors']) {
    expect(examples.filter(({ place }) => place.startsWith(`docs/${page}.md`)).length).toBeGreaterThan(0);
  }
});

describe('what the documentation tells people to apply is accepted', () => {
  test.each(examples.map(({ place, object }) => [place, object] as const))('%s', (_place, object) => {
    expect(analyze([object])).toEqual([]);
    const kind = KINDS.find((known) => known.kind === object.kind);
    expect(kind === undefined ? [] : brokenRules(specSchema(kind), object.spec, 'spec')).toEqual([]);
  });
});
