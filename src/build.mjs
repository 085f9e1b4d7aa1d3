// Builds dist/weft.mjs: the dashboard's page first, then the program with the page inside it as text.
import { build } from 'esbuild';

/** As esbuild's own flag: `npm run build -- --log-level=warning`. */
const logLevel =
  process.argv.find((argument) => argument.startsWith('--log-level='))?.split('=')[1] ?? 'info';

const web = await build({
  entryPoints: { app: 'src/dashboard/web/main.tsx', style: 'src/dashboard/web/style.css' },
  bundle: true,
  write: false,
  outdir: 'web',
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  minify: true,
  legalComments: 'inline',
  logLevel,
});

/** The text of the one output with this ending. */
function output(ending) {
  const found = web.outputFiles.find((file) => file.path.endsWith(ending));
  if (found === undefined) throw new Error(`the dashboard's bundle has no ${ending} file`);
  return found.text;
}

await build({
  entryPoints: ['src/cli/main.ts'],
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  outfile: 'dist/weft.mjs',
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  // Read by src/dashboard/web-assets.ts.
  define: { WEFT_WEB_ASSETS: JSON.stringify({ script: output('app.js'), style: output('style.css') }) },
  logLevel,
});
