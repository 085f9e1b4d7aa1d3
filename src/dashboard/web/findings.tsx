import type { VNode } from 'preact';
import type { FindingView, FindingsView } from '../findings-view.js';
import { Chip, type Tone } from './chip.js';
import type { PageState } from './page-state.js';
import { usePolled } from './poll.js';
import { Section } from './section.js';
import { matches } from './table-order.js';

const EVERY_MS = 30_000;

const TONES: Readonly<Record<FindingView['severity'], Tone>> = {
  error: 'bad',
  warning: 'warn',
  note: 'quiet',
};

/** What `weft analyze` finds in the cluster. */
export function Findings({ state }: { state: PageState }): VNode {
  const { value, error = '' } = usePolled<FindingsView>('/api/findings', EVERY_MS);
  if (value === undefined) {
    return (
      <Section title="Findings">
        <p class={error === '' ? 'empty loading' : 'empty'}>
          {error === '' ? 'Reading all objects of the mesh …' : `The objects cannot be read: ${error}`}
        </p>
      </Section>
    );
  }
  const shown = findingRows(value.findings, state);
  return (
    <Section
      title="Findings"
      note={`${value.findings.length} in ${value.objects} objects, as weft analyze says`}
    >
      {value.gaps.map((gap) => (
        <p class="note" key={gap}>
          Not looked at: {gap}
        </p>
      ))}
      {shown.length === 0 ? (
        <p class="empty">
          {value.findings.length === 0 ? 'Nothing is wrong with them.' : 'No finding matches.'}
        </p>
      ) : (
        <ul class="policies">
          {shown.map((finding) => (
            <Finding
              key={`${finding.code} ${finding.object} ${finding.path} ${finding.message}`}
              finding={finding}
            />
          ))}
        </ul>
      )}
    </Section>
  );
}

/** The findings that are to be shown; notes are no problems. */
export function findingRows(
  findings: readonly FindingView[],
  { search, onlyProblems }: PageState,
): readonly FindingView[] {
  return findings.filter(
    ({ code, severity, title, object, message }) =>
      (!onlyProblems || severity !== 'note') && matches(search, [code, severity, title, object, message]),
  );
}

function Finding({ finding }: { finding: FindingView }): VNode {
  const { code, severity, title, object, path, message, meaning, remedy } = finding;
  return (
    <li>
      <div class="headline">
        <h3>{title}</h3>
        <span class="soft">
          {object}
          {path === '' ? '' : `, ${path}`}
        </span>
        <span class="chips">
          <Chip tone={TONES[severity]}>{severity}</Chip>
          <code>{code}</code>
        </span>
      </div>
      <p class="message">{message}</p>
      <details>
        <summary>What it means, and what to do</summary>
        <p>{meaning}</p>
        <p>{remedy}</p>
      </details>
    </li>
  );
}
