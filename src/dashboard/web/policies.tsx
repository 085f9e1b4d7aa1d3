import type { VNode } from 'preact';
import type { ConditionView, PolicyView } from '../mesh-view.js';
import { Chip, type Tone } from './chip.js';
import { Section } from './section.js';

/** TrafficPolicies and what became of them. */
export function Policies({
  policies,
  exist,
}: {
  /** Those that are to be shown. */
  policies: readonly PolicyView[];
  /** Whether there are any at all. */
  exist: boolean;
}): VNode {
  return (
    <Section title="Traffic policies">
      {policies.length === 0 ? (
        <p class="empty">
          {exist
            ? 'No policy matches.'
            : 'There is no TrafficPolicy: every request goes to its Service as it is.'}
        </p>
      ) : (
        <ul class="policies">
          {policies.map((policy) => (
            <Policy key={`${policy.namespace}/${policy.name}`} policy={policy} />
          ))}
        </ul>
      )}
    </Section>
  );
}

function Policy({ policy }: { policy: PolicyView }): VNode {
  const { namespace, name, targets, routes, conditions } = policy;
  const troubles = conditions.filter(({ status, message }) => status !== 'True' && message !== '');
  return (
    <li>
      <div class="headline">
        <h3>
          <span class="soft">{namespace}/</span>
          {name}
        </h3>
        <span class="soft">for {targets.join(', ') || 'nothing'}</span>
        <span class="chips">
          {conditions.length === 0 && <Chip tone="warn">no status yet: is the control plane up?</Chip>}
          {conditions.map((condition) => (
            <Chip key={condition.type} tone={toneOf(condition)} title={condition.message}>
              {chipText(condition)}
            </Chip>
          ))}
        </span>
      </div>
      {routes.length > 0 && (
        <ol class="routes">
          {routes.map((route) => (
            <li key={route}>{route}</li>
          ))}
        </ol>
      )}
      {troubles.length > 0 && (
        <dl class="conditions">
          {troubles.map((condition) => (
            <div key={condition.type} class={toneOf(condition)}>
              <dt>{condition.type}</dt>
              <dd>{condition.message}</dd>
            </div>
          ))}
        </dl>
      )}
    </li>
  );
}

function chipText({ type, status, reason, outdated }: ConditionView): string {
  const about = outdated ? `${type} (of an earlier version)` : type;
  if (status === 'True') return reason === type || reason === '' ? about : `${about}: ${reason}`;
  return `${about} ${status.toLowerCase()}: ${reason}`;
}

function toneOf({ status, outdated }: ConditionView): Tone {
  if (outdated) return 'quiet';
  if (status === 'True') return 'good';
  return status === 'False' ? 'bad' : 'warn';
}
