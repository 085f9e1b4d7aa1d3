import type { Edge } from './edge.js';
import { parseIdentity } from './identity-name.js';

/** A box of the picture: a Service, a namespace of a picture too large to draw each, a caller that is behind no Service, or everybody who proved no identity. */
export interface GraphNode {
  readonly id: string;
  readonly kind: 'service' | 'caller' | 'namespace' | 'outside';
  readonly title: string;
  readonly namespace: string;
  /** Service account it runs as, where that is one and the same. */
  readonly serviceAccount?: string | undefined;
}

/** An arrow of the picture: all that one box calls on another, at most one edge a protocol. */
export interface GraphLink {
  readonly from: string;
  readonly to: string;
  readonly edges: readonly Edge[];
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly links: readonly GraphLink[];
}

const OUTSIDE: GraphNode = { id: 'outside', kind: 'outside', title: 'outside the mesh', namespace: '' };

/**
 * Draws a Service and the identity behind it as one box where each belongs to the other alone, so that calls chain up;
 * where several Services share a service account, the account as a caller gets a box of its own.
 */
export function graphOf(edges: readonly Edge[]): Graph {
  const owner = ownedServices(edges);
  const nodes = new Map<string, GraphNode>();
  const links = new Map<string, { from: string; to: string; edges: Edge[] }>();
  const add = (node: GraphNode): string => {
    if (!nodes.has(node.id)) nodes.set(node.id, node);
    return node.id;
  };
  for (const edge of edges) {
    const owned = owner.get(edge.caller);
    const from = add(owned === undefined ? callerNode(edge.caller) : serviceNode(owned, edge.caller));
    const to = add(targetNode(edge, owner));
    const key = JSON.stringify([from, to]);
    const link = links.get(key) ?? { from, to, edges: [] };
    links.set(key, link);
    link.edges.push(edge);
  }
  return { nodes: [...nodes.values()].sort((a, b) => (a.id < b.id ? -1 : 1)), links: [...links.values()] };
}

/** So many boxes can be looked through. */
const READABLE_BOXES = 60;

/** The picture as it is, or by namespace where that would be too many boxes. */
export function readableGraph(edges: readonly Edge[]): Graph {
  const graph = graphOf(edges);
  return graph.nodes.length <= READABLE_BOXES ? graph : byNamespace(graph);
}

function byNamespace({ nodes, links }: Graph): Graph {
  const places = new Map(nodes.map((node) => [node.id, placeOf(node)]));
  const place = (id: string): GraphNode => places.get(id) ?? OUTSIDE;
  const merged = Map.groupBy(links, ({ from, to }) => JSON.stringify([place(from).id, place(to).id]));
  return {
    nodes: [...new Map([...places.values()].map((node) => [node.id, node])).values()].sort((a, b) =>
      a.id < b.id ? -1 : 1,
    ),
    links: [...merged.values()].flatMap(([first, ...others]) => {
      if (first === undefined) return [];
      const edges = [first, ...others].flatMap((link) => link.edges);
      return [{ from: place(first.from).id, to: place(first.to).id, edges }];
    }),
  };
}

function placeOf({ namespace }: GraphNode): GraphNode {
  if (namespace === '') return OUTSIDE;
  return { id: `namespace:${namespace}`, kind: 'namespace', title: namespace, namespace: '' };
}

/** Identity to Service, where the Service has no other identity behind it and the identity no other Service. */
function ownedServices(edges: readonly Edge[]): Map<string, string> {
  const servers = collect(
    edges.flatMap(({ service, servers }) => servers.map((server): Pair => [service, server])),
  );
  const services = collect(
    edges.flatMap(({ service, servers }) => servers.map((server): Pair => [server, service])),
  );
  const owned = new Map<string, string>();
  for (const [identity, [service = '', ...others]] of services) {
    if (service !== '' && others.length === 0 && servers.get(service)?.length === 1)
      owned.set(identity, service);
  }
  return owned;
}

type Pair = readonly [key: string, value: string];

function collect(pairs: readonly Pair[]): Map<string, string[]> {
  const map = new Map<string, string[]>();
  for (const [key, value] of pairs) {
    const values = map.get(key) ?? [];
    if (!values.includes(value)) map.set(key, [...values, value]);
  }
  return map;
}

function targetNode(edge: Edge, owner: ReadonlyMap<string, string>): GraphNode {
  if (edge.service === '') return callerNode(edge.servers[0] ?? '');
  const [server = ''] = edge.servers;
  return serviceNode(edge.service, owner.get(server) === edge.service ? server : '');
}

function serviceNode(service: string, identity: string): GraphNode {
  const [namespace = '', title = service] = service.split('/');
  const serviceAccount = parseIdentity(identity)?.serviceAccount;
  return { id: `service:${service}`, kind: 'service', title, namespace, serviceAccount };
}

function callerNode(identity: string): GraphNode {
  if (identity === '') return OUTSIDE;
  const name = parseIdentity(identity);
  const [title, namespace] = name === undefined ? [identity, ''] : [name.serviceAccount, name.namespace];
  return { id: `caller:${identity}`, kind: 'caller', title, namespace, serviceAccount: name?.serviceAccount };
}
