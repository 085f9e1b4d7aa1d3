import { builtPart } from '../../base/index.js';

/** Put in place by `src/build.mjs`, which bundles `main.ts` first. */
declare const WEFT_WEBHOOK_THREAD: string | undefined;

/** The program of the webhook's thread that the build put into this one: a script without imports of its own. */
export function bundledWebhookThread(): string {
  return builtPart(
    'the webhook',
    typeof WEFT_WEBHOOK_THREAD === 'undefined' ? undefined : WEFT_WEBHOOK_THREAD,
  );
}
