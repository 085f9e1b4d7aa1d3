import type { Condition, CustomObject } from '../kube/index.js';
import { verdicts, type Problem, type Verdict } from '../model/index.js';
import type { AckTotal } from './ack-summary.js';

interface Programmed {
  readonly status: 'True' | 'False';
  readonly reason: 'Programmed' | 'NoSubscribers' | 'Pending' | 'Rejected' | 'NotAccepted';
  readonly message: string;
}

/** The conditions a policy should have now. */
export function policyConditions(
  object: CustomObject,
  problems: readonly Problem[],
  acks: AckTotal,
  now: number,
): readonly Condition[] {
  const { accepted, resolvedRefs } = verdicts(problems);
  const programmed = accepted.status === 'True' ? judgeAcks(acks) : NOT_ACCEPTED;
  return [
    condition(object, { type: 'Accepted', ...accepted }, now),
    condition(object, { type: 'ResolvedRefs', ...resolvedRefs }, now),
    condition(object, { type: 'Programmed', ...programmed }, now),
  ];
}

const NOT_ACCEPTED: Programmed = {
  status: 'False',
  reason: 'NotAccepted',
  message: 'This generation is not sent to proxies; the condition Accepted says why.',
};

function judgeAcks({ subscribers, acknowledged, rejected, sampleReason }: AckTotal): Programmed {
  if (rejected > 0) {
    const sample = sampleReason === undefined ? '' : `, one of them says: ${printable(sampleReason)}`;
    return {
      status: 'False',
      reason: 'Rejected',
      message: `rejected by ${rejected} of ${subscribers}${sample}`,
    };
  }
  if (subscribers === 0) {
    return {
      status: 'True',
      reason: 'NoSubscribers',
      message: 'No proxy has asked for the target yet; the first that does gets this policy.',
    };
  }
  if (acknowledged < subscribers) {
    return {
      status: 'False',
      reason: 'Pending',
      message: `acknowledged by ${acknowledged} of ${subscribers}`,
    };
  }
  return {
    status: 'True',
    reason: 'Programmed',
    message: `acknowledged by ${acknowledged} of ${subscribers}`,
  };
}

/** The words come from a proxy. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}

/** The time of the last transition is that of the status, not of the words beside it. */
function condition(object: CustomObject, wanted: Verdict & { type: string }, now: number): Condition {
  const existing = object.conditions.find(({ type }) => type === wanted.type);
  const same = existing?.status === wanted.status;
  return {
    type: wanted.type,
    status: wanted.status,
    reason: wanted.reason,
    message: wanted.message,
    observedGeneration: object.metadata.generation,
    lastTransitionTime: same
      ? existing.lastTransitionTime
      : new Date(now).toISOString().replace(/\.\d+Z$/, 'Z'),
  };
}

/** Whether writing would change anything. */
export function sameConditions(a: readonly Condition[], b: readonly Condition[]): boolean {
  return (
    a.length === b.length &&
    a.every((left, index) => {
      const right = b[index];
      return (
        right !== undefined &&
        left.type === right.type &&
        left.status === right.status &&
        left.reason === right.reason &&
        left.message === right.message &&
        left.observedGeneration === right.observedGeneration
      );
    })
  );
}
