import { builtPart } from '../base/index.js';

/** What the browser gets beside the page: one script, one style sheet. */
export interface WebAssets {
  readonly script: string;
  readonly style: string;
}

/** Put in place by `src/build.mjs`, which bundles `web/` first. */
declare const WEFT_WEB_ASSETS: WebAssets | undefined;

/** The assets that the build put into this program. */
export function bundledWebAssets(): WebAssets {
  return builtPart('the dashboard', typeof WEFT_WEB_ASSETS === 'undefined' ? undefined : WEFT_WEB_ASSETS);
}
