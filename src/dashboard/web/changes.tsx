import type { VNode } from 'preact';
import type { ChangesView, ChangeView } from '../changes-view.js';
import { Chip } from './chip.js';
import { usePolled } from './poll.js';
import { Section } from './section.js';
import { matches } from './table-order.js';

const EVERY_MS = 10_000;
const NOTE =
  'as far as the cluster remembers: the last change of each field manager, and what went while this dashboard ran';

/** Who changed what lately. */
export function useChanges(): { readonly value?: ChangesView; readonly error?: string } {
  return usePolled<ChangesView>('/api/changes', EVERY_MS);
}

/** All changes of the last half hour. */
export function Changes({ search }: { search: string }): VNode {
  const { value, error = '' } = useChanges();
  return (
    <Section title="Changes of the last half hour" note={NOTE}>
      {error !== '' && <p class="empty">They cannot be read: {error}</p>}
      {value === undefined && error === '' && <p class="empty loading">Reading who changed what …</p>}
      {value !== undefined && <Listed {...value} search={search} />}
    </Section>
  );
}

function Listed({ changes, gaps, search }: ChangesView & { search: string }): VNode {
  const shown = changes.filter(({ kind, namespace, name, who }) =>
    matches(search, [kind, `${namespace}/${name}`, who]),
  );
  return (
    <>
      {shown.length === 0 && <p class="empty">Nothing was changed.</p>}
      <ol class="changes">
        {shown.map((change) => (
          <li key={changeKey(change)}>
            <ChangeWords change={change} />
          </li>
        ))}
      </ol>
      <Gaps gaps={gaps} />
    </>
  );
}

export function Gaps({ gaps }: { gaps: readonly string[] }): VNode {
  return (
    <>
      {gaps.map((gap) => (
        <p class="note" key={gap}>
          Changes are not known of {gap}
        </p>
      ))}
    </>
  );
}

export function changeKey({ kind, namespace, name, at, who }: ChangeView): string {
  return [kind, namespace, name, at, who].join(' ');
}

/** When, what and by whom. */
export function ChangeWords({ change }: { change: ChangeView }): VNode {
  const { kind, namespace, name, generation, at, who, how } = change;
  const time = new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });
  return (
    <>
      <time dateTime={at}>{time}</time> <span class="soft">{kind}</span>{' '}
      <strong>{namespace === '' ? name : `${namespace}/${name}`}</strong>{' '}
      {how === 'gone' ? <Chip tone="warn">gone</Chip> : how}
      {who !== '' && (
        <>
          {' '}
          by <code>{who}</code>
        </>
      )}
      {generation > 1 && how === 'changed' && <span class="soft">, generation {generation}</span>}
    </>
  );
}
