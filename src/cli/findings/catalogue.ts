import { ACCESS_ROWS } from './access-rows.js';
import { INSTALLATION_ROWS } from './installation-rows.js';
import { JUDGED_ROWS } from './judged-rows.js';
import { OBJECT_ROWS } from './objects.js';
import { POD_ROWS } from './pod-rows.js';
import { RESILIENCE_ROWS } from './resilience-rows.js';
import { ROUTE_ROWS } from './route-rows.js';
import type { Row } from './row.js';
import { SERVICE_ROWS } from './service-rows.js';

/** A chapter of the catalogue. */
export interface Chapter {
  readonly title: string;
  readonly rows: readonly Row[];
}

const ALL = [
  ...OBJECT_ROWS,
  ...JUDGED_ROWS,
  ...ROUTE_ROWS,
  ...RESILIENCE_ROWS,
  ...ACCESS_ROWS,
  ...SERVICE_ROWS,
  ...POD_ROWS,
  ...INSTALLATION_ROWS,
] as const;

/** Of something that can be found. */
export type Code = (typeof ALL)[number]['code'];

/** Everything that can be found, in the order of the page about it. */
export const CATALOGUE: readonly (Row & { readonly code: Code })[] = ALL;

export const CHAPTERS: readonly Chapter[] = [
  { title: 'Objects by themselves', rows: OBJECT_ROWS },
  { title: 'Objects in each other’s company', rows: JUDGED_ROWS },
  { title: 'Routes', rows: ROUTE_ROWS },
  { title: 'Times, tries and limits', rows: RESILIENCE_ROWS },
  { title: 'Access and mutual TLS', rows: ACCESS_ROWS },
  { title: 'Services and grants', rows: SERVICE_ROWS },
  { title: 'Pods and namespaces', rows: POD_ROWS },
  { title: 'The installation', rows: INSTALLATION_ROWS },
];

const BY_CODE: ReadonlyMap<string, Row> = new Map(CATALOGUE.map((row) => [row.code, row]));

export function rowOf(code: Code): Row {
  const row = BY_CODE.get(code);
  if (row === undefined) throw new Error(`there is no row for ${code}`);
  return row;
}
