import type { AccessView } from './access-view.js';
import type { FindingsView } from './findings-view.js';
import type { TapLine, TapQuestion } from './tap-view.js';

/** What commands know how to find out, asked by the page: it says what they say. */
export interface Knowledge {
  /** Who may call the Services of a namespace, of these callers and those that rules name: as `weft authz` judges. */
  access(namespace: string, callers: readonly string[]): Promise<AccessView>;
  /** What `weft analyze` finds in the cluster. */
  findings(): Promise<FindingsView>;
  /** Tells requests as they pass, as `weft tap` does and for whoever may do that, until the signal aborts. Throws where nothing can be watched. */
  tap(question: TapQuestion, hear: (line: TapLine) => void, signal: AbortSignal): Promise<void>;
}
