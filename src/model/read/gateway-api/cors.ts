import { type CorsFilter, isOrigin } from '../../../api/index.js';
import type { Cors } from '../../words/route-actions.js';
import type { Notes } from './notes.js';

/** GEP-1767. Browsers are told to remember a permission for 5 s where nothing is said. */
export function readCors(given: CorsFilter, field: string, notes: Notes): Cors {
  for (const [place, origin] of given.allowOrigins.entries()) {
    if (!isOrigin(origin)) {
      notes.unsupported(
        `${field}.allowOrigins[${place}]`,
        `${origin} is not supported; write * alone, or a scheme and a host that may begin with *.`,
      );
    }
  }
  const lower = (names: readonly string[]): readonly string[] => names.map((name) => name.toLowerCase());
  return {
    allowOrigins: lower(given.allowOrigins),
    allowMethods: given.allowMethods,
    allowHeaders: lower(given.allowHeaders),
    exposeHeaders: lower(given.exposeHeaders),
    allowCredentials: given.allowCredentials,
    maxAgeSeconds: given.maxAge,
  };
}
