import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { celHolds } from '../testing/cel-rules.js';

/** The chart weft-cni as rendered into deploy/, which CI checks to be current. */
interface Manifest {
  readonly kind: string;
  readonly spec: {
    readonly matchConstraints: { readonly resourceRules: readonly object[] };
    readonly validations: readonly { readonly expression: string }[];
  };
}

const { spec } = parseAllDocuments(readFileSync('deploy/cni.yaml', 'utf8'))
  .map((document) => document.toJS() as Manifest)
  .find(({ kind }) => kind === 'ValidatingAdmissionPolicy')!;

const pod = (annotations?: Readonly<Record<string, string>>): object => ({
  metadata: { name: 'web', ...(annotations === undefined ? {} : { annotations }) },
});

const permits = (before: object, after: object): boolean =>
  spec.validations.every(({ expression }) => celHolds(expression, { oldObject: before, object: after }));

test('what the plugin of the node reads of a pod does not change once it is created', () => {
  const [rule] = spec.matchConstraints.resourceRules;
  expect(rule).toMatchObject({ apiGroups: [''], resources: ['pods'], operations: ['UPDATE'] });
  const told = { 'weft.dev/capture': '{"skipInboundPorts":"15120"}' };
  const more = { 'weft.dev/capture': '{"skipInboundPorts":"15120,8080"}' };
  expect(permits(pod(told), pod({ ...told, other: 'x' }))).toBe(true);
  expect(permits(pod(), pod({ other: 'x' }))).toBe(true);
  expect(permits(pod(), pod())).toBe(true);
  for (const [before, after] of [
    [told, more],
    [told, {}],
    [{}, told],
  ] as const)
    expect(permits(pod(before), pod(after))).toBe(false);
  expect(permits(pod(told), pod())).toBe(false);
  expect(permits(pod(), pod(told))).toBe(false);
});
