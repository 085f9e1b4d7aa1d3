import type { Protocol } from './destination.js';
import type { ServicePort } from './service.js';

/**
 * Values of `appProtocol`: Kubernetes' own (KEP-3726), names from IANA's registry, and what other meshes taught people
 * to write. What is not here is carried as bytes too, and its Service is told so.
 */
const APP_PROTOCOLS = new Map<string, Protocol>([
  ['http', 'http1'],
  ['http/1.1', 'http1'],
  ['ws', 'http1'],
  ['kubernetes.io/ws', 'http1'],
  ['grpc-web', 'http1'],
  ['http2', 'http2'],
  ['h2c', 'http2'],
  ['kubernetes.io/h2c', 'http2'],
  ['grpc', 'http2'],
  ...bytes('tcp', 'tls', 'https', 'wss', 'kubernetes.io/wss', 'grpcs'),
  ...bytes(
    'amqp',
    'amqps',
    'cassandra',
    'ftp',
    'imap',
    'imaps',
    'kafka',
    'ldap',
    'ldaps',
    'memcache',
    'memcached',
  ),
  ...bytes('mongo', 'mongodb', 'mqtt', 'mysql', 'nats', 'pop3', 'postgres', 'postgresql', 'redis', 'rediss'),
  ...bytes('sftp', 'smtp', 'smtps', 'ssh'),
]);

/** First words of port names, `<protocol>` or `<protocol>-<anything>`. Any other name says nothing. */
const NAME_PREFIXES = new Map<string, Protocol>([
  ['http', 'http1'],
  ['http2', 'http2'],
  ['h2c', 'http2'],
  ['grpc', 'http2'],
  ...bytes('tcp', 'https', 'tls', 'mongo', 'mysql', 'redis'),
]);

/** What a Service says its port speaks: `appProtocol` first, then the port's name; `unknown` when neither says. */
export function declaredProtocol(port: ServicePort): Protocol {
  if (port.appProtocol !== undefined) return APP_PROTOCOLS.get(port.appProtocol.toLowerCase()) ?? 'opaque';
  if (/^grpc-web(-|$)/.test(port.name)) return 'http1';
  return NAME_PREFIXES.get(port.name.split('-')[0] ?? '') ?? 'unknown';
}

/**
 * What comes to a port to which proxies add the TLS: HTTP, where the port says that HTTP is in its TLS. A caller that speaks TLS of its
 * own is told from one that does not.
 */
export function protocolInside(port: ServicePort): Protocol {
  const says = port.appProtocol?.toLowerCase() ?? port.name.split('-')[0] ?? '';
  return HTTP_OVER_TLS.has(says) ? 'unknown' : declaredProtocol(port);
}

const HTTP_OVER_TLS: ReadonlySet<string> = new Set(['https', 'wss', 'kubernetes.io/wss', 'grpcs']);

/** Whether the port names a protocol that nobody here has heard of, so that it is carried as bytes. */
export function hasUnknownProtocol({
  appProtocol,
  protocol,
}: Pick<ServicePort, 'appProtocol' | 'protocol'>): boolean {
  return protocol === 'TCP' && appProtocol !== undefined && !APP_PROTOCOLS.has(appProtocol.toLowerCase());
}

/** Ports whose servers speak TLS, and the one that forward proxies listen on, by common use. */
const TLS_PORTS: ReadonlySet<number> = new Set([443, 8443]);
const FORWARD_PROXY_PORT = 3128;

/** What a port says of itself and what its number or its target says; undefined where the two agree. */
export type ProtocolDoubt = 'encrypted' | 'forward-proxy';

/** Whether a port is read as HTTP and probably speaks something else. */
export function protocolDoubt(port: ServicePort): ProtocolDoubt | undefined {
  const protocol = declaredProtocol(port);
  if (port.protocol !== 'TCP' || protocol === 'opaque') return undefined;
  if (port.port === FORWARD_PROXY_PORT) return 'forward-proxy';
  if (protocol === 'unknown') return undefined;
  const target = String(port.targetPort);
  const encrypted =
    TLS_PORTS.has(port.port) || TLS_PORTS.has(Number(target)) || /^(https|tls)(-|$)/.test(target);
  return encrypted ? 'encrypted' : undefined;
}

function bytes(...names: string[]): [string, Protocol][] {
  return names.map((name) => [name, 'opaque']);
}
