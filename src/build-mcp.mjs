// Bundles what speaks the Model Context Protocol, which one command alone needs: inside the program as text it costs the others no time to start.
import { build } from 'esbuild';

/** `code` is one module that imports nothing but what Node has. `outputs` is esbuild's account of what is in it. */
export async function mcpProtocol(logLevel = 'warning') {
  const { outputFiles, metafile } = await build({
    entryPoints: ['src/cli/mcp/protocol.ts'],
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    minifyWhitespace: true,
    legalComments: 'inline',
    metafile: true,
    logLevel,
  });
  return { code: outputFiles[0].text, outputs: metafile.outputs };
}
