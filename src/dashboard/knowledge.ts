import type { AccessView } from './access-view.js';
import type { FindingsView } from './findings-view.js';

/** What commands know how to find out, asked by the page: it says what they say. */
export interface Knowledge {
  /** Who may call the Services of a namespace, of these callers and those that rules name: as `weft authz` judges. */
  access(namespace: string, callers: readonly string[]): Promise<AccessView>;
  /** What `weft analyze` finds in the cluster. */
  findings(): Promise<FindingsView>;
}
