import type { KubeClient } from '../../kube/index.js';
import type { Code } from '../findings/index.js';
import type { Page } from '../page.js';

export interface CheckOptions {
  readonly client: KubeClient;
  readonly page: Page;
  readonly revision: string;
  /** Namespace of the control plane. */
  readonly systemNamespace: string;
  /** Default: now. */
  readonly now?: Date;
}

/** What a check found. */
export type Found =
  | { readonly kind: 'ok'; readonly detail: string }
  | {
      /** `failed`: the mesh does not work as it should; `caution`: somebody should look. */
      readonly kind: 'caution' | 'failed';
      /** Its row of the catalogue. */
      readonly code: Code;
      readonly detail: string;
      /** What to do, in words. */
      readonly fix: string;
      /** The same as one types it. */
      readonly commands?: readonly string[];
    };

/** Looks at one thing and only reads. */
export type Check = (options: CheckOptions) => Promise<readonly Found[]>;

export function ok(detail: string): Found {
  return { kind: 'ok', detail };
}
