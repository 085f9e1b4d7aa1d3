import type { VNode } from 'preact';
import { TABS, writeState, type PageState } from './page-state.js';
import type { ChangeState } from './use-page-state.js';

/** The parts of the page; each is an address of its own. */
export function Tabs({ state, change }: { state: PageState; change: ChangeState }): VNode {
  return (
    <nav aria-label="Views">
      {TABS.map(({ key, title }) => {
        const there = { ...state, tab: key };
        return (
          <a
            key={key}
            href={writeState(there) || './'}
            aria-current={state.tab === key ? 'page' : undefined}
            onClick={(event) => {
              // With a modifier it is a new window's, as of any link.
              if (event.metaKey || event.ctrlKey || event.shiftKey) return;
              event.preventDefault();
              change(there);
            }}
          >
            {title}
          </a>
        );
      })}
    </nav>
  );
}
