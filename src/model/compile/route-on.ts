import type { PolicyRoute, RouteMatch } from '../words/policy.js';

/**
 * A route as it is on one port of a Service, without conditions on the port: those that hold are left out, a match
 * whose condition does not hold goes, and with the last match the route.
 */
export function routeOn(route: PolicyRoute, port: number): readonly PolicyRoute[] {
  if (route.matches.every((match) => match.port === undefined)) return [route];
  const matches = route.matches.filter((match) => match.port === undefined || match.port === port);
  if (matches.length === 0) return [];
  const rest = matches.map(withoutPort);
  // Any match that asks for nothing else takes every request, and with it the route.
  return [{ ...route, matches: rest.some(asksNothing) ? [] : rest }];
}

function withoutPort({ port: _, ...match }: RouteMatch): RouteMatch {
  return match;
}

function asksNothing({ headers, query = [], path, method, from, serverNames }: RouteMatch): boolean {
  const asked = [path, method, from, serverNames];
  return headers.length + query.length === 0 && asked.every((given) => given === undefined);
}
