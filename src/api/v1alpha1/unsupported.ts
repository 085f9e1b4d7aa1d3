/**
 * What the schema has and the mesh does not do yet. A path is a field, with `[]` behind a list; `=` and a value behind
 * it mean that value only. Each row makes a rule of the API server, a finding of `weft analyze`, a line of
 * `make unsupported` and a test. A row goes when its field works.
 */
export const UNSUPPORTED: readonly Unsupported[] = [
  { path: 'spec.targetRefs[].group=weft.dev', remedy: 'leave it out to target a Service' },
  { path: 'spec.targetRefs[].kind=ExternalService', remedy: 'target a Service instead' },
  { path: 'spec.rateLimit', remedy: 'remove it' },
];

/** A row of the table; all rows are about TrafficPolicy. */
export interface Unsupported {
  readonly path: string;
  /** What to do, after "not supported yet". */
  readonly remedy: string;
}
