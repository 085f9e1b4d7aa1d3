import { create } from '@bufbuild/protobuf';
import {
  type Backend,
  type BackendTls,
  type Destination,
  type Endpoint,
  type Mirror,
  type NodePolicy,
  type Protocol,
  type Route,
  ipBytes,
} from '../../model/index.js';
import {
  BackendSchema,
  BackendTlsSchema,
  type BackendTls as WireBackendTls,
  Backend_Node,
  type Backend as WireBackend,
  DestinationSchema,
  type Destination as WireDestination,
  EndpointSchema,
  type Endpoint as WireEndpoint,
  MirrorSchema,
  type Mirror as WireMirror,
  Protocol as WireProtocol,
  RouteSchema,
  type Route as WireRoute,
  Target_Kind,
  WeightedBackendSchema,
} from '../../wire/gen/weft/v1/destination_pb.js';
import { toWireLogChoice } from './access-log.js';
import { toWireActions, toWireHeaders } from './actions.js';
import { type EncodedResource, encode } from './encoded.js';
import { Interned } from './interned.js';
import { toWireLoadBalancer } from './load-balancer.js';
import { toWireMatch } from './match.js';
import { millionths } from './millionths.js';
import {
  toWireFault,
  toWireHedging,
  toWireLimits,
  toWireOutliers,
  toWireRetries,
  toWireTimeouts,
} from './resilience.js';
import { toWireSession } from './session.js';

/** Type URL of destinations. */
export const DESTINATION_TYPE_URL = `type.weft.dev/${DestinationSchema.typeName}`;

/** A destination of the model as the bytes a proxy reads. */
export function encodeDestination(destination: Destination): EncodedResource {
  return encode(DestinationSchema, toWireDestination(destination));
}

/** A destination of the model as the message of the wire contract. */
export function toWireDestination(destination: Destination): WireDestination {
  const names = {
    identities: new Interned(),
    networks: new Interned(),
    zones: new Interned(),
    nodes: new Interned(),
  };
  const endpoints = destination.endpoints.map((endpoint) => toWireEndpoint(endpoint, names));
  const { kind, namespace, name, port } = destination.target;
  return create(DestinationSchema, {
    criticalFeatures: [...destination.criticalFeatures].sort(),
    key: destination.key,
    target: { kind: kind === 'pod' ? Target_Kind.POD : Target_Kind.SERVICE, namespace, name, port },
    protocol: toWireProtocol(destination.protocol),
    endpoints,
    identities: names.identities.values(),
    networks: names.networks.values(),
    zones: names.zones.values(),
    nodes: names.nodes.values(),
    backends: destination.backends.map(toWireBackend),
    routes: destination.routes.map(toWireRoute),
    loadBalancer: toWireLoadBalancer(destination.loadBalancer),
    ...(destination.outliers === undefined ? {} : { outliers: toWireOutliers(destination.outliers) }),
    ...toWireLimits(destination.limits),
    ...(destination.sessionKey === undefined ? {} : { sessionKey: new Uint8Array(destination.sessionKey) }),
    tls: (destination.tls ?? []).map(toWireTls),
    ...(destination.sampling === undefined ? {} : { sampling: millionths(destination.sampling) }),
    ...(destination.accessLog === undefined ? {} : { accessLog: toWireLogChoice(destination.accessLog) }),
  });
}

export function toWireProtocol(protocol: Protocol): WireProtocol {
  const table = {
    unknown: WireProtocol.UNKNOWN,
    http1: WireProtocol.HTTP1,
    http2: WireProtocol.HTTP2,
    opaque: WireProtocol.OPAQUE,
  };
  return table[protocol];
}

interface Names {
  readonly identities: Interned;
  readonly networks: Interned;
  readonly zones: Interned;
  readonly nodes: Interned;
}

function toWireEndpoint(endpoint: Endpoint, names: Names): WireEndpoint {
  return create(EndpointSchema, {
    address: ipBytes(endpoint.address),
    port: endpoint.port,
    identity: names.identities.index(endpoint.identity),
    network: names.networks.index(endpoint.network),
    zone: names.zones.index(endpoint.zone),
    node: names.nodes.index(endpoint.node),
    opaque: endpoint.opaque,
    weight: endpoint.weight ?? 0,
  });
}

function toWireNode(node: NodePolicy | undefined): Backend_Node {
  if (node === undefined) return Backend_Node.ANY;
  return node === 'only' ? Backend_Node.ONLY : Backend_Node.PREFER;
}

function toWireBackend(backend: Backend): WireBackend {
  return create(BackendSchema, {
    name: backend.name,
    endpoints: [...backend.endpoints],
    invalid: backend.invalid ?? '',
    node: toWireNode(backend.node),
    affinityS: backend.affinitySeconds ?? 0,
    tls: backend.tls === undefined ? 0 : backend.tls + 1,
  });
}

function toWireTls(tls: BackendTls): WireBackendTls {
  return create(BackendTlsSchema, {
    policy: tls.policy,
    serverName: tls.serverName,
    dnsNames: [...tls.dnsNames],
    uris: [...tls.uris],
    authorities: tls.authorities.map((certificate) => new Uint8Array(certificate)),
    refused: tls.refused ?? '',
  });
}

function toWireRoute(route: Route): WireRoute {
  return create(RouteSchema, {
    name: route.name,
    matches: route.matches.map(toWireMatch),
    split: route.split.map(({ backend, weight, headers }) =>
      create(WeightedBackendSchema, { backend, weight, ...toWireHeaders(headers) }),
    ),
    ...(route.timeouts === undefined ? {} : { timeouts: toWireTimeouts(route.timeouts) }),
    ...toWireActions(route.actions ?? {}),
    ...(route.retries === undefined ? {} : { retries: toWireRetries(route.retries) }),
    bytesOnly: route.bytesOnly ?? false,
    mirrors: (route.mirrors ?? []).map(toWireMirror),
    ...toWireHedging(route.hedging),
    ...toWireFault(route.fault),
    ...toWireLimits(route.limits),
    ...toWireSession(route.session),
  });
}

function toWireMirror({ backend, portion, compare }: Mirror): WireMirror {
  const { numerator, denominator } = portion;
  return create(MirrorSchema, {
    backend,
    numerator,
    denominator,
    ...(compare === undefined ? {} : { compare: { headers: [...compare.headers], body: compare.body } }),
  });
}
