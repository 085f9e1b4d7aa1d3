import { expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { analyze } from './analyze.js';
import { parseManifests } from './manifests.js';

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
      '{targetRefs: [{kind: Service, name: A_}], routes: [{split: [{weight: -1}], timeouts: {request: soon}, fault: {}}], rateLimit: [{requests: 0, per: 1s}]}',
    ),
  );
  expect(found.map((text) => text.split(':')[0]).sort()).toEqual([
    'spec.rateLimit[0].requests',
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

const retrying = (retries: string): string =>
  policy(`{targetRefs: [{kind: Service, name: a}], routes: [{retries: ${retries}}]}`);
const readAsKubectl = (text: string) =>
  analyze(parseManifests(text, 'it')).map(({ path, message, mistake }) => [mistake, path, message]);

test('the old name of retry conditions works where it is quoted, with a warning', () => {
  expect(readAsKubectl(retrying('{conditions: [5xx]}'))).toEqual([]);
  expect(readAsKubectl(retrying('{"on": [5xx]}'))).toEqual([
    ['deprecated', 'spec.routes[0].retries.on', 'is deprecated; rename it to conditions'],
  ]);
  expect(readAsKubectl(retrying('{"on": [5xx], conditions: [reset]}'))).toContainEqual([
    'value',
    'spec.routes[0].retries.on',
    'is the old name of conditions; give conditions alone',
  ]);
});

test('a bare word that YAML 1.1 reads as true is reported as kubectl would refuse it', () => {
  expect(readAsKubectl(retrying('{on: [5xx]}'))).toEqual([
    [
      'field',
      'spec.routes[0].retries.true',
      expect.stringContaining('kubectl and Helm read YAML 1.1, where words such as on and off are true'),
    ],
  ]);
});

const workload = (kind: string, own: string, template: string): string => `
apiVersion: apps/v1
kind: ${kind}
metadata: {name: web, namespace: shop${own}}
spec: {template: {metadata: {${template}}}}
`;

test('labels and annotations of ours on workloads, pods and namespaces are read', () => {
  const found = (text: string) =>
    readAsKubectl(text).map(([mistake, path, message]) => `${mistake} ${path}: ${message}`);
  expect(found(workload('Deployment', '', "annotations: {weft.dev/opaque-ports: '80'}"))).toEqual([]);
  expect(found(workload('StatefulSet', '', "annotations: {weft.dev/opaque-port: '80'}"))).toEqual([
    'unknown-mark spec.template.metadata: unknown annotation weft.dev/opaque-port; did you mean weft.dev/opaque-ports?',
  ]);
  expect(found(workload('Deployment', ', labels: {weft.dev/inject: disabled}', ''))).toEqual([
    'misplaced-mark metadata: weft.dev/inject has no effect on a Deployment; write it in spec.template.metadata, from where its pods have it',
  ]);
  expect(
    found('apiVersion: v1\nkind: Namespace\nmetadata: {name: a, annotations: {weft.dev/inject: enabled}}'),
  ).toEqual([
    'unknown-mark metadata: weft.dev/inject has no effect as an annotation; write it as a label: weft.dev/inject=enabled',
  ]);
  expect(found('apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: {weft.dev/whatever: x}}')).toEqual(
    [],
  );
});
