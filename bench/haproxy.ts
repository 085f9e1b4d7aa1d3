import type { Certificates } from './peers.js';
import { LISTENING } from './peers.js';
import { PODS, PORTS } from './pods.js';
import type { Half } from './subject.js';

const SETTINGS = `global
  nbthread 1
  maxconn 8000
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
  ssl-default-server-options ssl-min-ver TLSv1.3
  ssl-default-server-ciphersuites TLS_AES_128_GCM_SHA256

defaults
  mode http
  http-reuse always
  timeout connect 1s
  timeout client 1h
  timeout server 1h
`;

/** One thread, h2 between the proxies for HTTP, its own limits and buffer sizes. */
export function haproxyConfig(half: Half, { both, roots }: Certificates, onePlain: boolean): string {
  const tls = `ssl crt ${both} ca-file ${roots} verify required`;
  const ports = LISTENING[half];
  const outbound = half === 'outbound';
  const front = (protocol: keyof typeof PORTS, plain: string, secured: string): string =>
    `  bind :${ports[protocol]} ${outbound ? plain : `${tls} ${secured}`}`;
  const back = (protocol: keyof typeof PORTS, plain: string, secured: string): string =>
    `  server app ${PODS.server}:${PORTS[protocol]} ${outbound && !onePlain ? `${tls} ${secured}` : plain}`;
  return [
    SETTINGS,
    'listen http1',
    front('http1', '', 'alpn h2'),
    back('http1', '', 'alpn h2'),
    'listen http2',
    front('http2', 'proto h2', 'alpn h2'),
    back('http2', 'proto h2', 'alpn h2'),
    'listen websocket',
    front('webSocket', '', 'alpn http/1.1'),
    back('webSocket', '', 'alpn http/1.1'),
    'listen grpc',
    front('grpc', 'proto h2', 'alpn h2'),
    back('grpc', 'proto h2', 'alpn h2'),
    'listen opaque',
    '  mode tcp',
    // As Weft: a resumed session would skip what new connections measure.
    front('opaque', '', 'no-tls-tickets'),
    back('opaque', '', 'no-ssl-reuse'),
    '',
  ].join('\n');
}
