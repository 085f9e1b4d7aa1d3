import type { Protocol } from './destination.js';
import type { ServicePort } from './service.js';

/** Values of `appProtocol` that say HTTP. Every other value is a protocol we do not parse: bytes. */
const APP_PROTOCOLS = new Map<string, Protocol>([
  ['http', 'http1'],
  ['http/1.1', 'http1'],
  ['kubernetes.io/ws', 'http1'],
  ['http2', 'http2'],
  ['h2c', 'http2'],
  ['kubernetes.io/h2c', 'http2'],
  ['grpc', 'http2'],
]);

/** First words of port names, `<protocol>` or `<protocol>-<anything>`. Any other name says nothing. */
const NAME_PREFIXES = new Map<string, Protocol>([
  ['http', 'http1'],
  ['http2', 'http2'],
  ['h2c', 'http2'],
  ['grpc', 'http2'],
  ['tcp', 'opaque'],
  ['https', 'opaque'],
  ['tls', 'opaque'],
  ['mongo', 'opaque'],
  ['mysql', 'opaque'],
  ['redis', 'opaque'],
]);

/** What a Service says its port speaks: `appProtocol` first, then the port's name; `unknown` when neither says. */
export function declaredProtocol(port: ServicePort): Protocol {
  if (port.appProtocol !== undefined) return APP_PROTOCOLS.get(port.appProtocol.toLowerCase()) ?? 'opaque';
  if (/^grpc-web(-|$)/.test(port.name)) return 'http1';
  return NAME_PREFIXES.get(port.name.split('-')[0] ?? '') ?? 'unknown';
}
