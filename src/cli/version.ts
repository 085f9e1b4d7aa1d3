/** Set by esbuild (src/build.mjs) to the version in package.json. */
declare const WEFT_VERSION: string | undefined;

/** Version of this program; `dev` where it does not run from its bundle. */
export function weftVersion(): string {
  return typeof WEFT_VERSION === 'undefined' ? 'dev' : WEFT_VERSION;
}
