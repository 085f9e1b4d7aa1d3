import type { Certificates } from './peers.js';
import { LISTENING } from './peers.js';
import { PODS, PORTS } from './pods.js';
import type { Half } from './subject.js';

export type Json = Readonly<Record<string, unknown>>;
type Port = keyof typeof PORTS;

/** What the names of Envoy's extensions begin with. */
export const TYPES = 'type.googleapis.com/envoy.extensions';
const HCM = `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`;
export const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** What the configuration of one half has beside the usual, all of it about the port for HTTP/1.1. */
export interface EnvoyExtras {
  /** Filters in front of the router. */
  readonly filters?: readonly Json[];
  /** Fields of the connection manager. */
  readonly manager?: Json;
  /** Fields of the route. */
  readonly route?: Json;
  readonly clusters?: readonly Json[];
}

/** One worker, h2 between the proxies for HTTP, only the router, no access log, no request id; its own defaults else. */
export function envoyConfig(
  half: Half,
  certificates: Certificates,
  plain: boolean,
  extras: EnvoyExtras = {},
): string {
  const ports = Object.keys(PORTS) as Port[];
  return JSON.stringify({
    static_resources: {
      listeners: ports.map((port) => listener(half, port, certificates, port === 'http1' ? extras : {})),
      clusters: [
        ...ports.map((port) => cluster(half, port, plain ? undefined : certificates)),
        ...(extras.clusters ?? []),
      ],
    },
  });
}

function listener(half: Half, port: Port, certificates: Certificates, extras: EnvoyExtras): Json {
  const tls = {
    '@type': `${TYPES}.transport_sockets.tls.v3.DownstreamTlsContext`,
    common_tls_context: tlsContext(port, certificates),
    require_client_certificate: true,
    // As Weft: a resumed session would skip what is measured.
    disable_stateless_session_resumption: true,
    disable_stateful_session_resumption: true,
  };
  const secured = { transport_socket: { name: 'tls', typed_config: tls } };
  return {
    name: port,
    address: { socket_address: { address: '0.0.0.0', port_value: LISTENING[half][port] } },
    filter_chains: [{ filters: [filter(port, extras)], ...(half === 'inbound' ? secured : {}) }],
  };
}

function filter(port: Port, { filters = [], manager = {}, route = {} }: EnvoyExtras): Json {
  if (port === 'opaque') {
    const type = `${TYPES}.filters.network.tcp_proxy.v3.TcpProxy`;
    return { name: 'tcp', typed_config: { '@type': type, stat_prefix: port, cluster: port } };
  }
  const router = { '@type': `${TYPES}.filters.http.router.v3.Router` };
  return {
    name: 'http',
    typed_config: {
      '@type': HCM,
      stat_prefix: port,
      generate_request_id: false,
      ...(port === 'webSocket' ? { upgrade_configs: [{ upgrade_type: 'websocket' }] } : {}),
      route_config: {
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [{ match: { prefix: '/' }, route: { cluster: port, timeout: '0s', ...route } }],
          },
        ],
      },
      http_filters: [...filters, { name: 'envoy.filters.http.router', typed_config: router }],
      ...manager,
    },
  };
}

function cluster(half: Half, port: Port, certificates: Certificates | undefined): Json {
  const secured = certificates !== undefined && half === 'outbound';
  const tls = secured && {
    '@type': `${TYPES}.transport_sockets.tls.v3.UpstreamTlsContext`,
    common_tls_context: tlsContext(port, certificates),
    max_session_keys: 0,
  };
  const address = { socket_address: { address: PODS.server, port_value: PORTS[port] } };
  const usesHttp2 = port === 'http2' || port === 'grpc' || (port === 'http1' && secured);
  const explicit = usesHttp2 ? { http2_protocol_options: {} } : { http_protocol_options: {} };
  const options = { '@type': `type.googleapis.com/${HTTP_OPTIONS}`, explicit_http_config: explicit };
  return {
    name: port,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: port,
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    },
    ...(port === 'opaque' ? {} : { typed_extension_protocol_options: { [HTTP_OPTIONS]: options } }),
    ...(tls ? { transport_socket: { name: 'tls', typed_config: tls } } : {}),
  };
}

function tlsContext(port: Port, { chain, key, roots }: Certificates): Json {
  return {
    tls_params: {
      tls_minimum_protocol_version: 'TLSv1_3',
      tls_maximum_protocol_version: 'TLSv1_3',
      ecdh_curves: ['X25519MLKEM768', 'X25519'],
    },
    tls_certificates: [{ certificate_chain: { filename: chain }, private_key: { filename: key } }],
    validation_context: { trusted_ca: { filename: roots } },
    ...(port === 'opaque' ? {} : { alpn_protocols: [port === 'webSocket' ? 'http/1.1' : 'h2'] }),
  };
}
