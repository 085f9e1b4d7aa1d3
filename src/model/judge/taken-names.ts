import { olderFirst } from '../compile/merge.js';
import { type MeshRoute, isForConnections, routeName } from '../words/mesh-route.js';

/** What older routes of the same kind leave of a route for connections. */
export interface TakenNames {
  /** Whether it is about nothing else. */
  readonly all: boolean;
  /** In words, with who took them. */
  readonly told: string;
}

/**
 * The connections of a route that an older one has at the same port, because they are of the same server name or, as for
 * TCPRoutes, any; undefined where there are none. Two routes for requests share a port match by match.
 */
export function takenNames(route: MeshRoute, set: readonly MeshRoute[]): TakenNames | undefined {
  if (!isForConnections(route.ref.kind)) return undefined;
  const older = set.filter((other) => other !== route && olderFirst(other, route) < 0);
  const names = serverNamesOf(route);
  const taken = names.flatMap((name) => {
    const by = older.find((other) => serverNamesOf(other).includes(name));
    return by === undefined ? [] : [name === '*' ? routeName(by.ref) : `${name} (${routeName(by.ref)})`];
  });
  return taken.length === 0 ? undefined : { all: taken.length === names.length, told: taken.join(', ') };
}

/** `*` is any. */
function serverNamesOf({ rules }: MeshRoute): readonly string[] {
  return rules.flatMap(({ matches }) => matches.flatMap(({ match }) => match.serverNames ?? ['*']));
}
