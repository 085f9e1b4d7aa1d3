import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { celHolds } from '../testing/cel-rules.js';

/** The chart as rendered into deploy/, which CI checks to be current. */
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly policyName?: string;
    readonly matchConstraints: { readonly resourceRules: readonly object[] };
    readonly matchConditions: readonly { readonly expression: string }[];
    readonly validations: readonly { readonly expression: string }[];
  };
}

const manifests = parseAllDocuments(readFileSync('deploy/weft.yaml', 'utf8')).map(
  (document) => document.toJS() as Manifest | null,
);
const named = (kind: string, name: string) =>
  manifests.find((one) => one?.kind === kind && one.metadata.name === name);
const { spec } = named('ValidatingAdmissionPolicy', 'weft-default-trust')!;

interface Maps {
  readonly data?: object;
  readonly binaryData?: object;
  readonly immutable?: boolean;
  readonly labels?: object;
}

const OURS = { data: { 'bundle.pem': 'ours', issuer: 'a' } };

const configMap = ({ labels, ...rest }: Maps, name = 'weft-trust') => ({
  metadata: { name, labels: labels ?? {} },
  ...rest,
});

/** Whether the policy lets somebody write: from one form of the ConfigMap, if there is one, to another. */
function permits(username: string, after: Maps, before?: Maps, name?: string): boolean {
  const variables = {
    object: configMap(after, name),
    oldObject: before === undefined ? null : configMap(before, name),
    request: { operation: before === undefined ? 'CREATE' : 'UPDATE', userInfo: { username } },
  };
  const isMeant = spec.matchConditions.every(({ expression }) => celHolds(expression, variables));
  return !isMeant || spec.validations.every(({ expression }) => celHolds(expression, variables));
}

const TENANT = 'system:serviceaccount:shop:deployer';

describe('ConfigMap weft-trust, the roots that the pods of a namespace believe', () => {
  test('is asked about where it is created or changed, and never where it is deleted', () => {
    const [rule, ...others] = spec.matchConstraints.resourceRules;
    const of = { apiGroups: [''], resources: ['configmaps'], operations: ['CREATE', 'UPDATE'] };
    expect([rule, others]).toEqual([{ ...of, apiVersions: ['*'] }, []]);
    const binding = named('ValidatingAdmissionPolicyBinding', 'weft-default-trust')!;
    expect(binding.spec).toEqual({ policyName: 'weft-default-trust', validationActions: ['Deny'] });
  });

  test.each([
    ['made in a namespace that has not joined yet', { data: { 'bundle.pem': 'theirs' } }, undefined],
    ['made as it should be', OURS, undefined],
    ['made without anything', {}, undefined],
    ['of other roots', { data: { 'bundle.pem': 'theirs', issuer: 'a' } }, OURS],
    ['of another issuer', { data: { 'bundle.pem': 'ours', issuer: 'b' } }, OURS],
    ['with a key more', { data: { ...OURS.data, 'more.pem': 'theirs' } }, OURS],
    ['emptied', {}, OURS],
    ['with bytes beside', { ...OURS, binaryData: { 'more.pem': 'dGhlaXJz' } }, OURS],
    ['frozen, so that no rotation reaches it', { ...OURS, immutable: true }, OURS],
  ] as const)('%s: refused to all but the control plane', (_what, after, before) => {
    expect(permits(TENANT, after, before)).toBe(false);
    expect(permits('kubernetes-admin', after, before)).toBe(false);
    expect(permits('system:serviceaccount:shop:weft', after, before)).toBe(false);
    expect(permits('system:serviceaccount:weft-system:weft', after, before)).toBe(true);
  });

  test('may get labels, and be written as it is', () => {
    expect(permits(TENANT, { ...OURS, labels: { team: 'shop' } }, OURS)).toBe(true);
    expect(permits(TENANT, OURS, OURS)).toBe(true);
    expect(permits(TENANT, { ...OURS, immutable: false }, { ...OURS, immutable: false })).toBe(true);
  });

  test('of another name is nobody else’s business', () => {
    expect(permits(TENANT, { data: { a: 'b' } }, undefined, 'weft-trust-of-ours')).toBe(true);
    expect(permits(TENANT, { data: { a: 'b' } }, { data: {} }, 'settings')).toBe(true);
  });
});
