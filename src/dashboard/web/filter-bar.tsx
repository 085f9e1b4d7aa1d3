import type { VNode } from 'preact';
import type { PageState } from './page-state.js';
import type { ChangeState } from './use-page-state.js';

/** Narrows the whole page: what is looked for, and whether only what somebody should look at is shown. */
export function FilterBar({
  state,
  change,
  found,
}: {
  state: PageState;
  change: ChangeState;
  /** What is left, in words; empty while nothing is narrowed. */
  found: string;
}): VNode {
  return (
    <search class="filter">
      <label>
        Search
        <input
          type="search"
          value={state.search}
          placeholder="pod, workload, identity, Service"
          autocomplete="off"
          spellcheck={false}
          onInput={({ currentTarget }) => change({ ...state, search: currentTarget.value })}
        />
      </label>
      <label>
        <input
          type="checkbox"
          checked={state.onlyProblems}
          onChange={({ currentTarget }) => change({ ...state, onlyProblems: currentTarget.checked })}
        />
        Only problems
      </label>
      <output>{found}</output>
    </search>
  );
}
