import { expect, test } from '@jest/globals';
import { aPort } from '../../testing/mesh.js';
import { declaredProtocol, hasUnknownProtocol, protocolDoubt } from './protocol.js';

test.each([
  [{ appProtocol: 'http' }, 'http1'],
  [{ appProtocol: 'HTTP' }, 'http1'],
  [{ appProtocol: 'kubernetes.io/ws' }, 'http1'],
  [{ appProtocol: 'grpc-web' }, 'http1'],
  [{ appProtocol: 'kubernetes.io/wss' }, 'opaque'],
  [{ appProtocol: 'postgresql' }, 'opaque'],
  [{ appProtocol: 'http2' }, 'http2'],
  [{ appProtocol: 'h2c' }, 'http2'],
  [{ appProtocol: 'kubernetes.io/h2c' }, 'http2'],
  [{ appProtocol: 'grpc' }, 'http2'],
  [{ appProtocol: 'https' }, 'opaque'],
  [{ appProtocol: 'tcp' }, 'opaque'],
  [{ appProtocol: 'example.org/own' }, 'opaque'],
  [{ name: 'http' }, 'http1'],
  [{ name: 'http-web' }, 'http1'],
  [{ name: 'http2-web' }, 'http2'],
  [{ name: 'grpc-api' }, 'http2'],
  [{ name: 'grpc-web' }, 'http1'],
  [{ name: 'https' }, 'opaque'],
  [{ name: 'tls-db' }, 'opaque'],
  [{ name: 'tcp-db' }, 'opaque'],
  [{ name: 'web' }, 'unknown'],
  [{ name: 'httpx' }, 'unknown'],
  [{ name: '' }, 'unknown'],
  [{ name: 'constructor' }, 'unknown'],
  [{ name: 'tcp', appProtocol: 'http' }, 'http1'],
  [{ name: 'http', appProtocol: 'constructor' }, 'opaque'],
])('%j declares %s', (port, protocol) => {
  expect(declaredProtocol(aPort(port))).toBe(protocol);
});

test.each([
  [{ appProtocol: 'example.org/own' }, true],
  [{ appProtocol: 'constructor' }, true],
  [{ appProtocol: 'example.org/own', protocol: 'UDP' as const }, false],
  [{ appProtocol: 'kubernetes.io/WSS' }, false],
  [{ appProtocol: 'redis' }, false],
  [{ name: 'own' }, false],
])('%j names a protocol nobody knows: %s', (port, unknown) => {
  expect(hasUnknownProtocol(aPort(port))).toBe(unknown);
});

test.each([
  [{ name: 'http', port: 443 }, 'encrypted'],
  [{ name: 'web', appProtocol: 'http', port: 8443 }, 'encrypted'],
  [{ name: 'http', port: 80, targetPort: 'https' }, 'encrypted'],
  [{ name: 'grpc', port: 80, targetPort: 8443 }, 'encrypted'],
  [{ name: 'https', port: 443 }, undefined],
  [{ name: 'http', port: 443, appProtocol: 'https' }, undefined],
  [{ name: 'web', port: 443 }, undefined],
  [{ name: 'http', port: 80, targetPort: 'http' }, undefined],
  [{ name: 'http', port: 443, protocol: 'UDP' as const }, undefined],
  [{ name: 'squid', port: 3128 }, 'forward-proxy'],
  [{ name: 'http', port: 3128 }, 'forward-proxy'],
  [{ name: 'squid', port: 3128, appProtocol: 'tcp' }, undefined],
])('%j is doubted: %s', (port, doubt) => {
  expect(protocolDoubt(aPort(port))).toBe(doubt);
});
