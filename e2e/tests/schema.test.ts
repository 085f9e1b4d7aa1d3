import { beforeAll, describe, expect, test } from '@jest/globals';
import { UNSUPPORTED } from '../../src/api/index.js';
import { BAD_SPECS, GOOD_SPECS, policyWith } from '../../src/testing/policy-cases.js';
import { specWithField } from '../../src/testing/spec-with-field.js';
import { kubectlRefused, run, useCluster } from '../support/run.js';

const list = (items: object[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
const CREATE = ['create', '--dry-run=server', '-f', '-'];

test('the API server accepts every policy that is good, the largest one too', async () => {
  await useCluster();
  const items = GOOD_SPECS.map(([, spec], index) => policyWith(spec, `good-${index}`));
  const said = await run('kubectl', CREATE, { input: list(items) });
  expect(said.match(/created/g)).toHaveLength(GOOD_SPECS.length);
});

describe('the API server refuses, and names field and remedy:', () => {
  const rows = UNSUPPORTED.map(({ path }) => path);
  let said: string;

  /** What it says about one policy: everything from its name to the next one's. */
  const about = (name: string): string =>
    said.split(/(?=Error from server)/).find((part) => part.includes(`"${name}"`)) ?? '';

  beforeAll(async () => {
    const bad = BAD_SPECS.map(([, spec], index) => policyWith(spec, `bad-${index}`));
    const early = rows.map((row, index) => policyWith(specWithField(row), `early-${index}`));
    said = await kubectlRefused(CREATE, list([...bad, ...early]));
  });

  test.each(BAD_SPECS.map(([what, , field, message], index) => ({ what, field, message, index })))(
    '$what',
    ({ field, message, index }) => {
      expect(about(`bad-${index}`)).toContain(`${field}: `);
      expect(about(`bad-${index}`)).toContain(message);
    },
  );

  test.each(UNSUPPORTED.map(({ path, remedy }, index) => ({ path, remedy, index })))(
    '$path, not supported yet',
    ({ path, remedy, index }) => {
      const field = path.replace(/=.*/, '').replaceAll('[]', '[0]');
      expect(about(`early-${index}`)).toContain(`${field}: Forbidden: `);
      expect(about(`early-${index}`)).toContain(`is not supported yet; ${remedy}`);
    },
  );
});
