import { createLogger } from '../base/index.js';
import { frontProgram, type StartFront } from '../proxies/index.js';

/** Path of the built proxy, for tests that need a real front: `WEFT_PROXY`. Undefined: nobody has built one. */
export const builtProxy = process.env['WEFT_PROXY'];

/** A real front. */
export function builtFront(): StartFront {
  if (builtProxy === undefined)
    throw new Error('set WEFT_PROXY to a built proxy, such as target/debug/weft-proxy');
  return frontProgram(builtProxy, createLogger({ level: 'warn' }));
}
