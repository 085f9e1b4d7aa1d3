import { expect, test } from '@jest/globals';
import { trafficPolicy } from '../api/index.js';
import { type Condition, type CustomObject } from '../kube/index.js';
import type { Problem } from '../model/index.js';
import { EMPTY_REPORT, decodeReport, encodeReport, totalAcks, type AckTotal } from './ack-summary.js';
import { conditionNotes } from './condition-notes.js';
import { policyConditions, sameConditions, type PolicyFacts } from './policy-status.js';
import { Kinds } from './kinds/index.js';

const now = Date.parse('2026-11-23T10:00:00.500Z');
const nobody: AckTotal = { subscribers: 0, acknowledged: 0, rejected: 0, late: 0, outliers: [] };
const odd = { pod: 'qa/tester-1', reason: 'Invalid' };

function object(conditions: readonly Condition[] = []): CustomObject {
  const kept = Kinds.policies.resource.keep({
    metadata: { name: 'reviews', namespace: 'shop', generation: 4 },
    spec: {},
  });
  return { ...kept, conditions };
}

function conditions(
  facts: Partial<PolicyFacts> = {},
  existing: readonly Condition[] = [],
  at = now,
): readonly Condition[] {
  return policyConditions(
    object(existing),
    { api: trafficPolicy, problems: [], inForce: true, acks: nobody, isSettled: true, ...facts },
    at,
  );
}

function programmed(facts: Partial<PolicyFacts>): string {
  const condition = conditions(facts).find(({ type }) => type === 'Programmed');
  return `${condition?.status} ${condition?.reason}: ${condition?.message}`;
}

test('what its author may not think is told beside that it is accepted', () => {
  const accepted = conditions({ notes: ['It closes port 7000.'] }).find(({ type }) => type === 'Accepted');
  expect(accepted).toMatchObject({
    status: 'True',
    message: 'The policy is in force.\nIt closes port 7000.',
  });
});

test.each<[string, Partial<AckTotal>, RegExp]>([
  ['nobody asks', {}, /^True NoSubscribers: No proxy has asked/],
  ['everybody has it', { subscribers: 3, acknowledged: 3 }, /^True Programmed: Every proxy/],
  [
    'somebody has not answered yet',
    { subscribers: 3, acknowledged: 2 },
    /^False Pending: acknowledged by 2 of 3$/,
  ],
  [
    'a majority rejects it, whoever has not answered',
    { subscribers: 4, acknowledged: 0, rejected: 3, outliers: [odd, odd, odd] },
    /^False Rejected: rejected by 3 of 4: qa\/tester-1 \(Invalid\), /,
  ],
  [
    'the only proxy rejects it',
    { subscribers: 1, rejected: 1, outliers: [odd] },
    /^False Rejected: rejected by 1 of 1: qa\/tester-1 \(Invalid\)$/,
  ],
  [
    'one of many rejects it',
    { subscribers: 900, acknowledged: 899, rejected: 1, outliers: [odd] },
    /^True PartlyProgrammed: rejected by 1 of 900: qa\/tester-1 \(Invalid\)$/,
  ],
  [
    'one of many rejects it and others have not answered yet',
    { subscribers: 900, acknowledged: 800, rejected: 1, outliers: [odd] },
    /^False Pending: acknowledged by 800 of 900$/,
  ],
  [
    'one of two never answers',
    { subscribers: 2, acknowledged: 1, late: 1, outliers: [{ ...odd, reason: 'NotAnswered' }] },
    /^True PartlyProgrammed: not answered by 1 of 2: qa\/tester-1 \(NotAnswered\)$/,
  ],
  [
    'none answers',
    { subscribers: 5, late: 5, outliers: [odd] },
    /^False NotAnswered: not answered by 5 of 5: qa\/tester-1 \(Invalid\), ...$/,
  ],
])('Programmed where %s', (_what, acks, want) => {
  expect(programmed({ acks: { ...nobody, ...acks } })).toMatch(want);
});

test('until every proxy had time to be heard of, what would be True is pending', () => {
  expect(programmed({ isSettled: false })).toMatch(/^False Pending: Replicas/);
  const acks = { ...nobody, subscribers: 3, acknowledged: 3 };
  expect(programmed({ isSettled: false, acks })).toMatch(/^False Pending: Replicas/);
  expect(programmed({ isSettled: false, acks, inForce: false })).toMatch(/^False NotAccepted/);
});

test('what was programmed stays so while proxies start or move, and not where they reject it or fall silent', () => {
  const acks = { ...nobody, subscribers: 4, acknowledged: 4 };
  const before = conditions({ acks });
  const after = (facts: Partial<PolicyFacts>): string | undefined =>
    conditions(facts, before).find(({ type }) => type === 'Programmed')?.reason;
  expect(after({ acks: { ...acks, acknowledged: 3 } })).toBe('Programmed');
  expect(after({ acks: { ...acks, acknowledged: 3 }, isSettled: false })).toBe('Programmed');
  expect(after({ acks: { ...acks, acknowledged: 1, rejected: 3, outliers: [odd] } })).toBe('Rejected');
  expect(after({ acks: { ...acks, acknowledged: 1, late: 3, outliers: [odd] } })).toBe('NotAnswered');
  const older = before.map((condition) => ({ ...condition, observedGeneration: 3 }));
  const next = conditions({ acks: { ...acks, acknowledged: 3 } }, older);
  expect(next.find(({ type }) => type === 'Programmed')?.reason).toBe('Pending');
});

test('proxies that come and go change nothing about a policy that all have', () => {
  const with_ = (count: number): readonly Condition[] =>
    conditions({ acks: { ...nobody, subscribers: count, acknowledged: count } });
  expect(sameConditions(with_(3), with_(1_000))).toBe(true);
});

test('a policy that is not in force is not programmed, whatever is acknowledged of an older one', () => {
  const problem: Problem = { condition: 'Accepted', reason: 'Invalid', field: 'spec.x', message: 'is wrong' };
  const acks = { ...nobody, subscribers: 1, acknowledged: 1 };
  expect(programmed({ acks, problems: [problem], inForce: false })).toMatch(/^False NotAccepted: /);
});

test('a policy that lost a part to a rival and is in force otherwise is programmed as proxies say', () => {
  const lost: Problem = {
    condition: 'Accepted',
    reason: 'Conflicted',
    field: 'spec.routes',
    message: 'HTTPRoute shop/r decides',
  };
  const acks = { ...nobody, subscribers: 1, acknowledged: 1 };
  expect(conditions({ acks, problems: [lost] }).map(({ type, status }) => `${type} ${status}`)).toEqual([
    'Accepted False',
    'ResolvedRefs True',
    'Programmed True',
  ]);
});

test('the time of the last transition moves with the status and not with the words', () => {
  const first = conditions();
  expect(first.map(({ lastTransitionTime }) => lastTransitionTime)).toEqual(
    Array(3).fill('2026-11-23T10:00:00Z'),
  );
  const later = now + 60_000;
  const refused = { ...nobody, subscribers: 1, rejected: 1, outliers: [odd] };
  const rejected = conditions({ acks: refused }, first, later);
  expect(rejected.map(({ lastTransitionTime }) => lastTransitionTime)).toEqual([
    '2026-11-23T10:00:00Z',
    '2026-11-23T10:00:00Z',
    '2026-11-23T10:01:00Z',
  ]);
  expect(sameConditions(first, rejected)).toBe(false);
  expect(sameConditions(first, conditions({}, first, later))).toBe(true);
});

const quiet = { generation: 4, subscribers: 2, acknowledged: 2, rejected: 0, late: 0, outliers: [] };

test('replicas that were sent another generation count as not having answered', () => {
  const behind = { ...quiet, generation: 3, subscribers: 5, acknowledged: 5, outliers: [odd] };
  expect(totalAcks([quiet, behind], 4)).toEqual({ ...nobody, subscribers: 7, acknowledged: 2 });
});

test('a report survives the way through a ConfigMap, cut to size with rejections first', () => {
  const many = new Map(Array.from({ length: 5_000 }, (_, i) => [`uid-${i}`, quiet] as const));
  const loud = { ...quiet, rejected: 1, outliers: [odd] };
  const rejections = [{ ...odd, uid: 'u', resource: 'Workload' }];
  const text = encodeReport({ policies: new Map([...many, ['loud', loud]]), rejections, settled: false });
  expect(text.length).toBeLessThan(512 * 1024);
  expect(decodeReport(text)).toMatchObject({ policies: { loud }, rejections, settled: false });
});

test.each([
  'nonsense',
  '[]',
  '{"policies":{"uid":{"subscribers":-1}},"rejections":[]}',
  '{"uid":{}}',
  '{"policies":{},"rejections":[],"settled":"no"}',
  undefined,
])('a report that cannot be read says nothing: %s', (text) => {
  expect(decodeReport(text)).toEqual(EMPTY_REPORT);
});

test('a policy that is accepted says which of its fields have another name now', () => {
  const kept = Kinds.policies.resource.keep({
    metadata: { name: 'reviews', namespace: 'shop', generation: 4 },
    spec: { routes: [{ retries: { on: ['5xx'] } }] },
  });
  const accepted = policyConditions(
    kept,
    { api: trafficPolicy, problems: [], inForce: true, acks: nobody, isSettled: true },
    now,
  ).find(({ type }) => type === 'Accepted');
  expect(accepted).toMatchObject({
    status: 'True',
    message: expect.stringContaining('spec.routes[0].retries.on is deprecated; rename it to conditions.'),
  });
});

test('a policy that cannot act is told by an event; what passes, or is about an older generation, is not', () => {
  const condition = {
    type: 'ResolvedRefs',
    status: 'False',
    lastTransitionTime: '',
    observedGeneration: 4,
  } as const;
  const lost = { ...condition, reason: 'TargetNotFound', message: 'Service shop/x does not exist' };
  const conditions = [
    lost,
    { ...condition, type: 'Programmed', reason: 'Pending', message: 'acknowledged by 0 of 1' },
    { ...lost, type: 'Accepted', observedGeneration: 3 },
    { ...lost, status: 'True' as const },
  ];
  expect(conditionNotes(object(conditions))).toEqual([
    { type: 'Warning', reason: 'TargetNotFound', message: 'Service shop/x does not exist' },
  ]);
});
