import { builtPart } from '../../base/index.js';
import type { speakMcp } from './protocol.js';

/** Set by esbuild (src/build.mjs) to the module that `src/build-mcp.mjs` bundles. */
declare const WEFT_MCP_PROTOCOL: string | undefined;

/** What speaks the protocol, read only now: no other command waits until it is. */
export async function loadProtocol(): Promise<typeof speakMcp> {
  const code = builtPart(
    'the Model Context Protocol',
    typeof WEFT_MCP_PROTOCOL === 'undefined' ? undefined : WEFT_MCP_PROTOCOL,
  );
  const url = `data:text/javascript;base64,${Buffer.from(code).toString('base64')}`;
  const loaded = (await import(url)) as { readonly speakMcp: typeof speakMcp };
  return loaded.speakMcp;
}
