import type { RouteMatch } from './policy.js';
import type { Route } from './destination.js';

/**
 * What a resource may ask of a proxy beyond the first contract. A resource lists those it uses, so that a proxy
 * that misses one rejects it rather than send traffic astray. The proxy reads the same list, `src/wire/features.json`.
 */
export const FEATURES = [
  'route.match.headers',
  'route.match.path',
  'route.match.regex',
  'route.split.weights',
] as const;

export type Feature = (typeof FEATURES)[number];

/** The features that routes use, in the order of the table. */
export function featuresOf(routes: readonly Route[]): readonly Feature[] {
  const used = new Set<Feature>();
  for (const route of routes) {
    if (route.split.length > 1) used.add('route.split.weights');
    for (const match of route.matches) for (const feature of matchFeatures(match)) used.add(feature);
  }
  return FEATURES.filter((feature) => used.has(feature));
}

function matchFeatures(match: RouteMatch): Feature[] {
  const conditions = [match.path, ...match.headers.map((header) => header.condition)];
  const regex = conditions.some((condition) => condition?.kind === 'regex');
  return [
    ...(match.headers.length > 0 ? (['route.match.headers'] as const) : []),
    ...(match.path === undefined ? [] : (['route.match.path'] as const)),
    ...(regex ? (['route.match.regex'] as const) : []),
  ];
}
