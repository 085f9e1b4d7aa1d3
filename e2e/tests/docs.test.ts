import { afterAll, beforeAll, test } from '@jest/globals';
import { docsExamples } from '../../src/testing/docs-yaml.js';
import { namespace } from '../support/app.js';
import { apply, kubectl } from '../support/run.js';

/** Namespaces that the pages speak of; nothing stays in them. */
const NAMESPACES = ['shop', 'lab', 'qa'];
let created: string[] = [];

beforeAll(async () => {
  const there = (await kubectl('get', 'namespaces', '-o', 'jsonpath={.items[*].metadata.name}')).split(' ');
  created = NAMESPACES.filter((name) => !there.includes(name));
  if (created.length > 0) await apply(created.map((name) => namespace(name, {})));
});

afterAll(async () => {
  if (created.length > 0) await kubectl('delete', 'namespace', ...created, '--wait=false');
});

test.each(docsExamples().map(({ place, object }) => [place, object] as const))(
  'the API server takes %s as it is written',
  async (_place, object) => {
    await apply(object, '--dry-run=server');
  },
);
