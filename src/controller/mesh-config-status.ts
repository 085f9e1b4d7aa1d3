import type { Condition, CustomObject, EventNote } from '../kube/index.js';
import { inUserWords, verdicts, type MeshSettings, type Problem, type Verdict } from '../model/index.js';
import type { AckTotal } from './ack-summary.js';
import { stamper } from './own-entries.js';
import { judgeProgrammed } from './policy-status.js';

/** The conditions that a MeshConfig should have now. */
export function meshConfigConditions(
  object: CustomObject,
  {
    problems,
    settings,
    told,
    acks,
    isSettled,
  }: {
    readonly problems: readonly Problem[];
    readonly settings: MeshSettings;
    /** What is wrong with whom traces and logs are told to; absent: nobody is to be told. */
    readonly told?: readonly Problem[] | undefined;
    readonly acks: AckTotal;
    readonly isSettled: boolean;
  },
  now: number,
): readonly Condition[] {
  const stamp = stamper(object, object.conditions, now);
  const programmed: Verdict =
    settings.source === undefined
      ? {
          status: 'False',
          reason: 'NotAccepted',
          message: 'This generation is not sent to proxies; the condition Accepted says why.',
        }
      : judgeProgrammed(object, { acks, isSettled });
  return [
    stamp('Accepted', accepted(problems, settings)),
    ...(told === undefined ? [] : [stamp('ResolvedRefs', verdicts(told).resolvedRefs)]),
    stamp('Programmed', programmed),
  ];
}

function accepted(problems: readonly Problem[], settings: MeshSettings): Verdict {
  const [first] = problems;
  if (first === undefined) return { status: 'True', reason: 'Accepted', message: inForce(settings) };
  return { status: 'False', reason: first.reason, message: `${problemText(problems)}\n${inForce(settings)}` };
}

function inForce(settings: MeshSettings): string {
  const { mtls, outbound, access } = inUserWords(settings);
  return `In force: mtls.mode ${mtls}, outbound.policy ${outbound}, access.default ${access}.`;
}

function problemText(problems: readonly Problem[]): string {
  return problems.map(({ field, message }) => `${field}: ${message}`).join('\n');
}

/** What to tell about a MeshConfig that is not honoured; undefined where it is. */
export function meshConfigNote(problems: readonly Problem[], settings: MeshSettings): EventNote | undefined {
  const [first] = problems;
  if (first === undefined) return undefined;
  return {
    type: 'Warning',
    reason: first.reason,
    message: `The MeshConfig is not honoured as written. ${problemText(problems)} ${inForce(settings)}`,
  };
}
