/** What can be wrong, and how it is found: one catalogue for `weft analyze`, `weft check` and the documentation. */
export { CATALOGUE, CHAPTERS, rowOf, type Code } from './catalogue.js';
export { findAll } from './find.js';
export type { Finding } from './finding.js';
export type { Known, KnownObject, KnownPod, Source } from './known.js';
export type { Row, Severity } from './row.js';
