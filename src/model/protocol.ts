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

/** Whether the port names a protocol that nobody here has heard of, so that it is carried as bytes. */
export function hasUnknownProtocol({
  appProtocol,
  protocol,
}: Pick<ServicePort, 'appProtocol' | 'protocol'>): boolean {
  return protocol === 'TCP' && appProtocol !== undefined && !APP_PROTOCOLS.has(appProtocol.toLowerCase());
}

function bytes(...names: string[]): [string, Protocol][] {
  return names.map((name) => [name, 'opaque']);
}
