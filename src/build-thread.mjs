// Bundles the program of the webhook's thread: `node src/build-thread.mjs FILE` writes it there, for tests.
import { writeFileSync } from 'node:fs';
import { build } from 'esbuild';

/**
 * `code` is one script without imports: a thread that is started from text is CommonJS. `outputs` is esbuild's account of
 * what is in it.
 */
export async function webhookThread(logLevel = 'warning') {
  const { outputFiles, metafile } = await build({
    entryPoints: ['src/admission/thread/main.ts'],
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    minifyWhitespace: true,
    legalComments: 'inline',
    metafile: true,
    logLevel,
  });
  return { code: outputFiles[0].text, outputs: metafile.outputs };
}

if (import.meta.main) writeFileSync(process.argv[2], (await webhookThread()).code);
