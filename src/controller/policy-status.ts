import { findDeprecated, type Kind } from '../api/index.js';
import type { Condition, CustomObject } from '../kube/index.js';
import { verdicts, type Problem, type Verdict } from '../model/index.js';
import type { AckTotal } from './ack-summary.js';
import { stamper } from './own-entries.js';

interface Programmed {
  readonly status: 'True' | 'False';
  readonly reason:
    | 'Programmed'
    | 'PartlyProgrammed'
    | 'NoSubscribers'
    | 'Pending'
    | 'Rejected'
    | 'NotAnswered'
    | 'NotAccepted';
  readonly message: string;
}

/** What is known of a policy beside its object. */
export interface PolicyFacts {
  /** The kind of the object. */
  readonly api: Kind;
  readonly problems: readonly Problem[];
  /** What works, and perhaps not as its author thinks. */
  readonly notes?: readonly string[];
  /** Whether any of this generation is sent to proxies, whatever it lost to rivals. */
  readonly inForce: boolean;
  readonly acks: AckTotal;
  /** Every proxy that uses this generation has had time to be heard of. */
  readonly isSettled: boolean;
}

/** The conditions a policy should have at `now`, in milliseconds since 1970. */
export function policyConditions(
  object: CustomObject,
  { api, problems, notes = [], inForce, acks, isSettled }: PolicyFacts,
  now: number,
): readonly Condition[] {
  const deprecated = findDeprecated(api, object).map(({ path, message }) => `${path} ${message}.`);
  const { accepted, resolvedRefs } = verdicts(problems, [...deprecated, ...notes]);
  const programmed = inForce ? judgeProgrammed(object, { acks, isSettled }) : NOT_ACCEPTED;
  const stamp = stamper(object, object.conditions, now);
  return [stamp('Accepted', accepted), stamp('ResolvedRefs', resolvedRefs), stamp('Programmed', programmed)];
}

const NOT_ACCEPTED: Programmed = {
  status: 'False',
  reason: 'NotAccepted',
  message: 'This generation is not sent to proxies; the condition Accepted says why.',
};

const NO_SUBSCRIBERS: Programmed = {
  status: 'True',
  reason: 'NoSubscribers',
  message: 'No proxy has asked for the target yet; the first that does gets this policy.',
};

/** Without a number: proxies that come and go change nothing about it, and cost no write. */
const PROGRAMMED: Programmed = {
  status: 'True',
  reason: 'Programmed',
  message: 'Every proxy that uses it has acknowledged it.',
};

const EARLY: Programmed = {
  status: 'False',
  reason: 'Pending',
  message: 'Replicas of the control plane have not heard yet from every proxy that may use it.',
};

/**
 * How proxies took the present generation of an object. What was programmed once does not become pending: that proxies
 * start, or move to another replica, changes nothing about it. It takes a rejection, or silence.
 */
export function judgeProgrammed(
  { metadata, conditions }: CustomObject,
  { acks, isSettled }: Pick<PolicyFacts, 'acks' | 'isSettled'>,
): Verdict {
  const judged = judgeAcks(acks);
  const before = conditions.find(({ type }) => type === 'Programmed');
  if (before?.status === 'True' && before.observedGeneration === metadata.generation)
    return judged.reason === 'Pending' ? { ...before, status: 'True' } : judged;
  return judged.status === 'True' && !isSettled ? EARLY : judged;
}

/**
 * A majority decides, so that no single proxy can turn the status of somebody else's policy: one that rejects what most
 * acknowledge, or does not answer, is named and does not count.
 */
function judgeAcks(acks: AckTotal): Programmed {
  const { subscribers, acknowledged, rejected, late } = acks;
  const outliers = rejected + late;
  if (subscribers === 0) return NO_SUBSCRIBERS;
  if (acknowledged === subscribers) return PROGRAMMED;
  if (2 * rejected > subscribers) return { status: 'False', reason: 'Rejected', message: outlierText(acks) };
  if (acknowledged + outliers < subscribers) {
    const message = `acknowledged by ${acknowledged} of ${subscribers}`;
    return { status: 'False', reason: 'Pending', message };
  }
  if (2 * outliers > subscribers) {
    const reason = rejected >= late ? 'Rejected' : 'NotAnswered';
    return { status: 'False', reason, message: outlierText(acks) };
  }
  return { status: 'True', reason: 'PartlyProgrammed', message: outlierText(acks) };
}

function outlierText({ subscribers, rejected, late, outliers }: AckTotal): string {
  const counts = [
    ...(rejected > 0 ? [`rejected by ${rejected} of ${subscribers}`] : []),
    ...(late > 0 ? [`not answered by ${late} of ${subscribers}`] : []),
  ];
  const named = outliers.slice(0, MAX_NAMED).map(({ pod, reason }) => `${pod} (${reason})`);
  const more = rejected + late > named.length ? ', ...' : '';
  return `${counts.join(', ')}: ${named.join(', ')}${more}`;
}

const MAX_NAMED = 3;

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
