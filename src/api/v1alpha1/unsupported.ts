import type { Unsupported } from '../schema/kind.js';

/**
 * What the schema of TrafficPolicy has and the mesh does not do yet. A path is a field, with `[]` behind a list; `=` and a
 * value behind it mean that value only. Each row makes a rule of the API server, a finding of `weft analyze`, a line of
 * `make unsupported` and a test. A row goes when its field works.
 */
export const UNSUPPORTED: readonly Unsupported[] = [
  { path: 'spec.targetRefs[].group=weft.dev', remedy: 'leave it out to target a Service' },
  { path: 'spec.targetRefs[].kind=ExternalService', remedy: 'target a Service instead' },
];
