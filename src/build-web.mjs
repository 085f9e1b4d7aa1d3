// Bundles the dashboard's page: one script, one style sheet.
import { build } from 'esbuild';

/** `outputs` is esbuild's account of what is in them. */
export async function dashboardPage(logLevel = 'warning') {
  const { outputFiles, metafile } = await build({
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
    metafile: true,
    logLevel,
  });
  /** The text of the one output with this ending. */
  const output = (ending) => {
    const found = outputFiles.find((file) => file.path.endsWith(ending));
    if (found === undefined) throw new Error(`the dashboard's bundle has no ${ending} file`);
    return found.text;
  };
  return { assets: { script: output('app.js'), style: output('style.css') }, outputs: metafile.outputs };
}
