import { useEffect, useState } from 'preact/hooks';
import { readState, writeState, type PageState } from './page-state.js';

export type ChangeState = (next: PageState) => void;

/** The state of the page, and the way to change it. It is kept in the address, which goes with it. */
export function usePageState(): readonly [PageState, ChangeState] {
  const [state, setState] = useState(() => readState(location.search));
  useEffect(() => {
    const follow = (): void => setState(readState(location.search));
    addEventListener('popstate', follow);
    return () => removeEventListener('popstate', follow);
  }, []);
  const change = (next: PageState): void => {
    // Replaced, not added: who types a word does not want to go back through its letters.
    history.replaceState(null, '', `${location.pathname}${writeState(next)}`);
    setState(next);
  };
  return [state, change];
}
