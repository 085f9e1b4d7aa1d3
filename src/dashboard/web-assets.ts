import { MeshError } from '../base/index.js';

/** What the browser gets beside the page: one script, one style sheet. */
export interface WebAssets {
  readonly script: string;
  readonly style: string;
}

/** Put in place by `src/build.mjs`, which bundles `web/` first. */
declare const WEFT_WEB_ASSETS: WebAssets | undefined;

/** The assets that the build put into this program. */
export function bundledWebAssets(): WebAssets {
  if (typeof WEFT_WEB_ASSETS === 'undefined') {
    throw new MeshError(
      'precondition',
      'the dashboard is part of the built program only: run "npm run build", then dist/weft.mjs',
    );
  }
  return WEFT_WEB_ASSETS;
}
