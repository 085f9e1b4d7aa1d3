import { compileDestination, type Mesh } from '../../model/index.js';
import { changesBetween, type Change } from './leaves.js';
import { destinationView } from './destination-view.js';

/** What callers of a port of a Service would do otherwise. */
export interface DestinationChange {
  /** `shop/reviews:8080`. */
  readonly service: string;
  /** `everywhere`, or the one namespace whose callers are concerned. */
  readonly callers: string;
  readonly change: 'created' | 'changed' | 'deleted';
  readonly changes: readonly Change[];
}

/** No namespace can have this name: callers of all those that nothing is said about by itself. */
const ELSEWHERE = '-';

/** What callers of all ports of Services would do otherwise: those of namespaces that policies are about by themselves. */
export function destinationChanges(
  before: Mesh,
  after: Mesh,
  namespaces: ReadonlySet<string>,
): readonly DestinationChange[] {
  const ports = new Set(
    [before, after].flatMap((mesh) =>
      [...mesh.services.values()].flatMap(({ namespace, name, ports: all }) =>
        all.filter(({ protocol }) => protocol === 'TCP').map(({ port }) => `${namespace}/${name}:${port}`),
      ),
    ),
  );
  return [...ports].sort().flatMap((service) => {
    const everywhere = changeAt(before, after, service, ELSEWHERE);
    // What holds for callers everywhere is not told again for those of a namespace.
    const own = [...namespaces]
      .sort()
      .map((namespace) => changeAt(before, after, service, namespace))
      .filter((change) => change !== undefined)
      .filter(({ changes }) => JSON.stringify(changes) !== JSON.stringify(everywhere?.changes));
    return [...(everywhere === undefined ? [] : [everywhere]), ...own];
  });
}

/** What callers of one namespace would do otherwise at a port of a Service. */
export function changeAt(
  before: Mesh,
  after: Mesh,
  service: string,
  callers: string,
): DestinationChange | undefined {
  const colon = service.lastIndexOf(':');
  const ref = {
    kind: 'service',
    service: service.slice(0, colon),
    port: Number(service.slice(colon + 1)),
  } as const;
  const was = destinationView(compileDestination(before, ref, callers));
  const becomes = destinationView(compileDestination(after, ref, callers));
  const changes = changesBetween(was, becomes);
  if (changes.length === 0) return undefined;
  const change = was === undefined ? 'created' : becomes === undefined ? 'deleted' : 'changed';
  return { service, callers: callers === ELSEWHERE ? 'everywhere' : callers, change, changes };
}
