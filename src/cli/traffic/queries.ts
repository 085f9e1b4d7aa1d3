import { MeshError } from '../../base/index.js';
import type { KubeClient } from '../../kube/index.js';
import {
  Replicas,
  byBackend,
  byCall,
  byNamespace,
  byRoute,
  byService,
  byWorkload,
  type Call,
  type Row,
  type SeenEdge,
  type Traffic,
  type WindowName,
} from '../../telemetry/index.js';
import { demandNamespace } from '../control-planes.js';
import { jsonOf, type Shown } from './show.js';
import { callsTable, routesTable, rowsTable } from './tables.js';

/** What is asked about the traffic, and what of the answer is shown. */
export interface TrafficQuery {
  /** The words that ask it, for what the reader may try instead. */
  readonly command: string;
  readonly namespace?: string | undefined;
  readonly shown: (traffic: Traffic) => Shown;
}

/** Which rows a query is about. */
interface Scope {
  readonly namespace?: string | undefined;
}

const KINDS: Readonly<Record<string, (edges: readonly SeenEdge[]) => readonly Row[]>> = {
  deploy: byWorkload,
  svc: byService,
  ns: byNamespace,
};
/** As kubectl takes them. */
const LONG_KINDS: Readonly<Record<string, string>> = {
  deployment: 'deploy',
  deployments: 'deploy',
  service: 'svc',
  services: 'svc',
  namespace: 'ns',
  namespaces: 'ns',
};

/** `kind` may be `kind/name`. */
export function statQuery(given: string, after: string | undefined, { namespace }: Scope): TrafficQuery {
  const [kind = '', name = after] = given.split('/');
  const group = KINDS[LONG_KINDS[kind] ?? kind];
  if (group === undefined)
    throw new MeshError('invalid', `${kind} is not one of ${Object.keys(KINDS).join(', ')}`);
  return {
    command: 'weft stat',
    namespace,
    shown: ({ edges }) => {
      const rows = group(edges).filter((row) => isIn(row, namespace) && isNamed(row, name));
      return { json: rows, rows: rows.length, table: (options) => rowsTable(rows, options) };
    },
  };
}

export function edgesQuery({ namespace }: Scope): TrafficQuery {
  return {
    command: 'weft edges',
    namespace,
    shown: ({ edges }) => shownCalls(byCall(edges).filter((call) => touches(call, namespace))),
  };
}

/** `given` is the Service, or `<namespace>/<name>`. */
export function routesQuery(given: string, { namespace, wide }: Scope & { wide: boolean }): TrafficQuery {
  const service = given.includes('/') ? given : `${namespace ?? 'default'}/${given}`;
  const [of = ''] = service.split('/');
  return {
    command: 'weft routes SERVICE',
    namespace: of,
    shown: ({ edges }) => {
      const rows = (wide ? byBackend : byRoute)(edges, service);
      return { json: rows, rows: rows.length, table: (options) => routesTable(rows, options) };
    },
  };
}

export function topQuery({ namespace, max }: Scope & { readonly max: number }): TrafficQuery {
  return {
    command: 'weft top',
    namespace,
    shown: ({ edges }) => {
      const busiest = byCall(edges).sort((a, b) => activity(b) - activity(a));
      return shownCalls(busiest.filter((call) => touches(call, namespace)).slice(0, max));
    },
  };
}

/** Asks once, for a program: what `-o json` prints. */
export async function askTraffic(options: {
  readonly client: KubeClient;
  readonly systemNamespace: string;
  readonly since: WindowName;
  readonly query: TrafficQuery;
}): Promise<object> {
  const { client, systemNamespace, since, query } = options;
  await demandAsked(client, query);
  const traffic = await new Replicas(client, systemNamespace).ask(since, query.namespace);
  return jsonOf(traffic, { since, shown: query.shown });
}

/** Of a namespace that does not exist nothing is known, which looks as if nothing happened there. */
export async function demandAsked(client: KubeClient, { namespace, command }: TrafficQuery): Promise<void> {
  if (namespace !== undefined) await demandNamespace(client, namespace, command);
}

function shownCalls(calls: readonly Call[]): Shown {
  return { json: calls, rows: calls.length, table: (options) => callsTable(calls, options) };
}

function activity({ signals }: Call): number {
  return signals.perSecond + signals.connectionsPerSecond;
}

function isIn({ namespace, name }: Row, wanted: string | undefined): boolean {
  return wanted === undefined || (namespace === '' ? name : namespace) === wanted;
}

/** Either end of the call. */
function touches({ namespace, caller }: Call, wanted: string | undefined): boolean {
  return wanted === undefined || namespace === wanted || caller.includes(`/ns/${wanted}/sa/`);
}

/** Workloads are named with their kind before a slash. */
function isNamed(row: Row, name: string | undefined): boolean {
  return name === undefined || row.name === name || row.name.endsWith(`/${name}`);
}
