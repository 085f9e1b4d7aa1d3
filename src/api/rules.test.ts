import { describe, expect, test } from '@jest/globals';
import { brokenRules } from '../testing/cel-rules.js';
import { BAD_SPECS, GOOD_SPECS, policyWith } from '../testing/policy-cases.js';
import { specWithField } from '../testing/spec-with-field.js';
import { analyze } from './analyze.js';
import { specSchema } from './generate/kind-schema.js';
import { trafficPolicy } from './v1alpha1/traffic-policy.js';
import { UNSUPPORTED } from './v1alpha1/unsupported.js';

const schema = specSchema(trafficPolicy);

/** What the API server's rules and what `weft analyze` say about a policy, as `path: message`. */
function judgements(spec: object): { server: string[]; analyze: string[] } {
  const object = policyWith(spec);
  const server = brokenRules(schema, object['spec'], 'spec').map(
    ({ path, message }) => `${path}: ${message}`,
  );
  return { server, analyze: analyze([object]).map(({ path, message }) => `${path}: ${message}`) };
}

describe('what both the rules of the API server and weft analyze accept', () => {
  test.each(GOOD_SPECS)('%s', (_what, spec) => {
    expect(judgements(spec)).toEqual({ server: [], analyze: [] });
  });
});

describe('what both refuse, with the same field and the same words', () => {
  test.each(BAD_SPECS)('%s', (_what, spec, field, message) => {
    const got = judgements(spec);
    const want = expect.stringContaining(`${field}: ${message}`);
    expect(got.server).toContainEqual(want);
    expect(got.analyze).toContainEqual(want);
  });
});

describe('what is not supported yet', () => {
  test.each(UNSUPPORTED.map(({ path, remedy }) => [path, remedy]))(
    '%s is refused with the remedy',
    (path, remedy) => {
      const got = judgements(specWithField(path));
      const field = path.replace(/=.*/, '').replaceAll('[]', '[0]');
      const name = path.replace(/^[^=]*\./, '').replace('=', ': ');
      const want = `${field}: ${name} is not supported yet; ${remedy}`;
      expect(got.server).toContain(want);
      expect(got.analyze).toContain(want);
    },
  );

  test('no field is listed twice, nor inside another that is listed', () => {
    const paths = UNSUPPORTED.map(({ path }) => path);
    const nested = paths.filter((path) =>
      paths.some((other) => path !== other && path.startsWith(`${other}.`)),
    );
    expect(nested).toEqual([]);
    expect(new Set(paths).size).toBe(paths.length);
  });
});
