import type { Position } from '../../api/index.js';
import { rowOf, type Code } from './catalogue.js';
import type { Severity } from './row.js';
import type { KnownObject } from './known.js';

/** Something that was found, with where it is. */
export interface Finding {
  readonly code: Code;
  readonly severity: Severity;
  /** `TrafficPolicy shop/reviews`. */
  readonly object: string;
  /** The field; empty for the object as a whole. */
  readonly path: string;
  readonly message: string;
  /** Where it is written; absent: in the cluster. */
  readonly source?: Position & { readonly file: string };
}

export function findingAt(
  code: Code,
  { title, source }: KnownObject,
  { path, message }: { readonly path: string; readonly message: string },
): Finding {
  const { severity } = rowOf(code);
  const place = source === undefined ? {} : { source: { file: source.file, ...source.positionOf(path) } };
  return { code, severity, object: title, path, message, ...place };
}
