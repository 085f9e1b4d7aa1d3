import { expect, test } from '@jest/globals';
import { Resources, type Condition, type CustomObject } from '../kube/index.js';
import type { Problem } from '../model/index.js';
import { decodeReport, encodeReport, totalAcks, type AckTotal } from './ack-summary.js';
import { policyConditions, sameConditions } from './policy-status.js';

const now = Date.parse('2026-11-23T10:00:00.500Z');
const nobody: AckTotal = { subscribers: 0, acknowledged: 0, rejected: 0 };

function object(conditions: readonly Condition[] = []): CustomObject {
  const kept = Resources.trafficPolicy.keep({
    metadata: { name: 'reviews', namespace: 'shop', generation: 4 },
    spec: {},
  });
  return { ...kept, conditions };
}

function programmed(acks: AckTotal, problems: readonly Problem[] = []): Partial<Condition> {
  const condition = policyConditions(object(), problems, acks, now).find(({ type }) => type === 'Programmed');
  return {
    status: condition?.status,
    reason: condition?.reason,
    message: condition?.message,
  } as Partial<Condition>;
}

test.each<[string, AckTotal, string, string, string]>([
  ['nobody asks', nobody, 'True', 'NoSubscribers', 'No proxy has asked'],
  [
    'everybody has it',
    { ...nobody, subscribers: 3, acknowledged: 3 },
    'True',
    'Programmed',
    'acknowledged by 3 of 3',
  ],
  [
    'somebody has not answered',
    { ...nobody, subscribers: 3, acknowledged: 2 },
    'False',
    'Pending',
    'acknowledged by 2 of 3',
  ],
  [
    'somebody rejects it',
    { subscribers: 3, acknowledged: 1, rejected: 2, sampleReason: 'bad\nregex\u001b[31m' },
    'False',
    'Rejected',
    'rejected by 2 of 3, one of them says: bad?regex?[31m',
  ],
])('Programmed where %s', (_what, acks, status, reason, message) => {
  expect(programmed(acks)).toEqual({ status, reason, message: expect.stringContaining(message) });
});

test('a policy that is not accepted is not programmed either, whatever is acknowledged of it', () => {
  const problem: Problem = { condition: 'Accepted', reason: 'Invalid', field: 'spec.x', message: 'is wrong' };
  expect(programmed({ ...nobody, subscribers: 1, acknowledged: 1 }, [problem])).toMatchObject({
    status: 'False',
    reason: 'NotAccepted',
  });
});

test('the time of the last transition moves with the status and not with the words', () => {
  const first = policyConditions(object(), [], nobody, now);
  expect(first.map(({ lastTransitionTime }) => lastTransitionTime)).toEqual(
    Array(3).fill('2026-11-23T10:00:00Z'),
  );
  const later = now + 60_000;
  const pending = policyConditions(object(first), [], { ...nobody, subscribers: 1 }, later);
  expect(pending.map(({ lastTransitionTime }) => lastTransitionTime)).toEqual([
    '2026-11-23T10:00:00Z',
    '2026-11-23T10:00:00Z',
    '2026-11-23T10:01:00Z',
  ]);
  expect(sameConditions(first, pending)).toBe(false);
  expect(sameConditions(first, policyConditions(object(first), [], nobody, later))).toBe(true);
});

test('replicas that were sent another generation count as not having answered', () => {
  const acks = { generation: 4, subscribers: 2, acknowledged: 2, rejected: 0 };
  const behind = { generation: 3, subscribers: 5, acknowledged: 5, rejected: 0, sampleReason: 'old' };
  expect(totalAcks([acks, behind], 4)).toEqual({ subscribers: 7, acknowledged: 2, rejected: 0 });
});

test('a report survives the way through a ConfigMap, cut to size with rejections first', () => {
  const quiet = { generation: 1, subscribers: 1, acknowledged: 1, rejected: 0 };
  const many = new Map(Array.from({ length: 5_000 }, (_, i) => [`uid-${i}`, quiet] as const));
  const loud = { ...quiet, rejected: 1, sampleReason: 'x'.repeat(10_000) };
  const text = encodeReport(new Map([...many, ['loud', loud]]));
  expect(text.length).toBeLessThan(512 * 1024);
  expect(decodeReport(text).loud).toEqual({ ...loud, sampleReason: 'x'.repeat(200) });
});

test.each(['nonsense', '[]', '{"uid":{"subscribers":-1}}', undefined])(
  'a report that cannot be read says nothing: %s',
  (text) => {
    expect(decodeReport(text)).toEqual({});
  },
);
