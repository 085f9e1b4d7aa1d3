import { expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { analyze } from './analyze.js';

const documents = (text: string): unknown[] =>
  parseAllDocuments(text).map((document) => document.toJS() as unknown);

const policy = (spec: string): string => `
apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: reviews, namespace: shop}
spec: ${spec}
`;

const analyzed = (text: string) => analyze(documents(text)).map(({ path, message }) => `${path}: ${message}`);

test('an unknown field is reported with its path and the name that was probably meant', () => {
  expect(analyzed(policy('{targetRefs: [{kind: Service, name: a}], rutes: []}'))).toEqual([
    'spec.rutes: unknown field "rutes"; did you mean routes?',
  ]);
  expect(
    analyzed(policy('{targetRefs: [{kind: Service, name: a}], routes: [{split: [{wieght: 1}]}]}')),
  ).toEqual(['spec.routes[0].split[0].wieght: unknown field "wieght"; did you mean weight?']);
});

test('an unknown field that resembles none is reported with those there are', () => {
  expect(analyzed(policy('{targetRefs: [{kind: Service, name: a, colour: red}]}'))).toEqual([
    'spec.targetRefs[0].colour: unknown field "colour"; known here: group, kind, name, namespace, port, sectionName',
  ]);
});

test('a field beside the spec is reported too', () => {
  expect(analyzed(`${policy('{targetRefs: [{kind: Service, name: a}]}')}sepc: {}`)).toEqual([
    'sepc: unknown field "sepc"; did you mean spec?',
  ]);
});

test('a finding names document and object', () => {
  const [finding] = analyze(documents(`kind: Service\napiVersion: v1\n---\n${policy('{}')}`));
  expect(finding).toMatchObject({
    document: 1,
    object: 'TrafficPolicy shop/reviews',
    path: 'spec.targetRefs',
  });
});

test('the objects of a list are looked at one by one', () => {
  const items = documents(`${policy('{targetRefs: [{kind: Service, name: a}]}')}---${policy('{}')}`);
  const found = analyze([{ apiVersion: 'v1', kind: 'List', items }]);
  expect(found.map(({ path }) => path)).toEqual(['spec.targetRefs']);
});

test('a kind that does not exist is reported with the nearest one', () => {
  expect(analyzed('apiVersion: weft.dev/v1alpha1\nkind: TraficPolicy\nmetadata: {name: a}')).toEqual([
    'kind: unknown kind "TraficPolicy"; did you mean TrafficPolicy?',
  ]);
});

test('a version that does not exist is reported', () => {
  expect(analyzed(policy('{targetRefs: [{kind: Service, name: a}]}').replace('v1alpha1', 'v9'))).toEqual([
    expect.stringContaining('apiVersion: '),
  ]);
});

test('several mistakes in one object are all reported', () => {
  const found = analyzed(
    policy(
      '{targetRefs: [{kind: Service, name: A_}], routes: [{split: [{weight: -1}], timeouts: {request: soon}, fault: {}}], rateLimit: [{requests: 1, per: 1s}]}',
    ),
  );
  expect(found.map((text) => text.split(':')[0]).sort()).toEqual([
    'spec.rateLimit',
    'spec.routes[0].fault',
    'spec.routes[0].split[0].weight',
    'spec.routes[0].timeouts.request',
    'spec.targetRefs[0].name',
  ]);
});

test('a MeshConfig with another name than default is reported', () => {
  const config =
    'apiVersion: weft.dev/v1alpha1\nkind: MeshConfig\nmetadata: {name: mine}\nspec: {mtls: {mode: Strict}}';
  expect(analyzed(config)).toEqual([expect.stringContaining('metadata.name: there is one MeshConfig')]);
  expect(analyzed(config.replace('mine', 'default'))).toEqual([]);
});

test.each([null, undefined, 'text', 7, [], {}, { apiVersion: 1 }, { apiVersion: 'v1', kind: 'List' }])(
  'what is no object of ours is left alone: %j',
  (document) => {
    expect(analyze([document])).toEqual([]);
  },
);

test.each([
  null,
  'x',
  [],
  {},
  { metadata: null },
  { metadata: {}, spec: [] },
  { metadata: { name: 3 }, spec: 1 },
])('a broken object of ours is reported and breaks nothing: %j', (rest) => {
  const object = { apiVersion: 'weft.dev/v1alpha1', kind: 'TrafficPolicy', ...(rest as object) };
  expect(analyze([object]).length).toBeGreaterThan(0);
});
