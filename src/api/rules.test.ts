import { describe, expect, test } from '@jest/globals';
import { brokenRules } from '../testing/cel-rules.js';
import { analyze } from './analyze.js';
import { specSchema } from './generate/kind-schema.js';
import { trafficPolicy } from './v1alpha1/traffic-policy.js';
import { UNSUPPORTED } from './v1alpha1/unsupported.js';

const schema = specSchema(trafficPolicy);
const target = { kind: 'Service', name: 'reviews' };

const policy = (spec: object): object => ({
  apiVersion: 'weft.dev/v1alpha1',
  kind: 'TrafficPolicy',
  metadata: { name: 'reviews', namespace: 'shop' },
  spec: { targetRefs: [target], ...spec },
});

const route = (fields: object): object => policy({ routes: [fields] });
const matching = (match: object): object => route({ match: [match] });

/** What the API server's rules and what `weft analyze` say about an object, as `path: message`. */
function judgements(object: object): { server: string[]; analyze: string[] } {
  const { spec } = object as { spec: unknown };
  const server = brokenRules(schema, spec, 'spec').map(({ path, message }) => `${path}: ${message}`);
  return { server, analyze: analyze([object]).map(({ path, message }) => `${path}: ${message}`) };
}

describe('what both the API server and weft analyze accept', () => {
  test.each([
    ['no routes', policy({})],
    ['no routes in a list', policy({ routes: [] })],
    ['a canary of 0.01 %', route({ split: [{ weight: 999_900 }, { weight: 100, labels: { v: '2' } }] })],
    ['one weight of zero', route({ split: [{ weight: 0 }, { labels: { v: '2' } }] })],
    ['a fallback', route({ split: [{ labels: { v: '2' }, fallback: true }] })],
    [
      'each kind of header condition',
      matching({
        headers: [
          { name: 'X-Group', exact: 'beta' },
          { name: 'x-group', prefix: 'b', invert: true },
          { name: 'x-group', regex: '(?i)b[a-z]+|\\d{2}' },
          { name: 'x-group', present: false },
        ],
      }),
    ],
    [
      'each kind of path condition',
      route({
        match: [{ path: { exact: '/' } }, { path: { prefix: '/api' } }, { path: { regex: '/v[12]/.*' } }],
      }),
    ],
    ['the one algorithm that works', policy({ loadBalancer: { algorithm: 'peakEwma' } })],
    [
      'a Service by its group',
      policy({ targetRefs: [{ ...target, group: '', port: 80, namespace: 'other' }] }),
    ],
  ])('%s', (_what, object) => {
    expect(judgements(object)).toEqual({ server: [], analyze: [] });
  });
});

describe('what both refuse, with the same field and the same words', () => {
  test.each([
    [
      'weights that are all zero',
      route({ split: [{ weight: 0 }, { weight: 0 }] }),
      'spec.routes[0].split: every weight is 0',
    ],
    [
      'fallback without labels',
      route({ split: [{ fallback: true }] }),
      'spec.routes[0].split[0].fallback: fallback needs labels',
    ],
    ['an empty match', matching({}), 'spec.routes[0].match[0]: is empty'],
    [
      'two conditions on a path',
      matching({ path: { exact: '/', regex: '/' } }),
      'spec.routes[0].match[0].path: give exactly one',
    ],
    [
      'a header without condition',
      matching({ headers: [{ name: 'a' }] }),
      'spec.routes[0].match[0].headers[0]: give exactly one',
    ],
    [
      'a header with two',
      matching({ headers: [{ name: 'a', exact: 'b', present: true }] }),
      'spec.routes[0].match[0].headers[0]: give exactly one',
    ],
    [
      'look-ahead',
      matching({ path: { regex: '/a(?=b)' } }),
      'spec.routes[0].match[0].path.regex: is no regular expression in RE2',
    ],
    [
      'a back-reference',
      matching({ path: { regex: '/(a)\\1' } }),
      'spec.routes[0].match[0].path.regex: is no regular expression in RE2',
    ],
    [
      'an open bracket',
      matching({ headers: [{ name: 'a', regex: '[' }] }),
      'spec.routes[0].match[0].headers[0].regex: is no regular expression in RE2',
    ],
    [
      'a duration with words',
      route({ timeouts: { request: '2 seconds' } }),
      'spec.routes[0].timeouts.request: is no duration',
    ],
    [
      'a duration with a fraction',
      route({ timeouts: { perTry: '1.5s' } }),
      'spec.routes[0].timeouts.perTry: is no duration',
    ],
    [
      'a fraction above one',
      route({ mirror: [{ service: { name: 'a' }, fraction: { numerator: 3, denominator: 2 } }] }),
      'spec.routes[0].mirror[0].fraction.numerator: the numerator is greater',
    ],
    [
      'percent and fraction',
      route({ mirror: [{ service: { name: 'a' }, percent: 1, fraction: { numerator: 3 } }] }),
      'spec.routes[0].mirror[0]: give exactly one of percent and fraction',
    ],
    [
      'an abort of nothing',
      route({ fault: { abort: { status: 503 } } }),
      'spec.routes[0].fault.abort: give exactly one of percent and fraction',
    ],
  ])('%s', (_what, object, want) => {
    const got = judgements(object);
    expect(got.server).toContainEqual(expect.stringContaining(want));
    expect(got.analyze).toContainEqual(expect.stringContaining(want));
  });
});

describe('what is not supported yet', () => {
  test.each(UNSUPPORTED.map(({ path, remedy }) => [path, remedy]))(
    '%s is refused with the remedy',
    (path, remedy) => {
      const object = withField(path);
      const got = judgements(object);
      const field = path.replace(/=.*/, '').replaceAll('[]', '[0]');
      const want = expect.stringMatching(
        new RegExp(`^${field.replace(/[[\].]/g, '\\$&')}: .* is not supported yet; ${remedy}$`),
      );
      expect(got.server).toContainEqual(want);
      expect(got.analyze).toContainEqual(want);
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

/** A policy with the field set: to the value of the row, else to an empty object. */
function withField(row: string): object {
  const [path = '', value] = row.split('=');
  const steps = path.split('.').slice(1);
  const build = (rest: string[]): unknown => {
    const [step, ...further] = rest;
    if (step === undefined) return value ?? {};
    const child = build(further);
    return { [step.replace('[]', '')]: step.endsWith('[]') ? [child] : child };
  };
  return policy(build(steps) as object);
}
