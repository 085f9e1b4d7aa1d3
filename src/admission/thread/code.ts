import { MeshError } from '../../base/index.js';

/** Put in place by `src/build.mjs`, which bundles `main.ts` first. */
declare const WEFT_WEBHOOK_THREAD: string | undefined;

/** The program of the webhook's thread that the build put into this one: a script without imports of its own. */
export function bundledWebhookThread(): string {
  if (typeof WEFT_WEBHOOK_THREAD === 'undefined') {
    throw new MeshError(
      'precondition',
      'the webhook is part of the built program only: run "npm run build", then dist/weft.mjs',
    );
  }
  return WEFT_WEBHOOK_THREAD;
}
