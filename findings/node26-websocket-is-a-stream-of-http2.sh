#!/usr/bin/env bash
# Guess: `new WebSocket('wss://...')` of Node opens a connection of its own and asks for an upgrade over HTTP/1.1, whatever `fetch` does;
#   and a client that knows WebSockets over HTTP/2 (RFC 8441) takes a plain 200 for yes, since `Sec-WebSocket-Accept` is not used there.
# Seen: Node 26.10.0 (undici 8.10.2) offers h2 by ALPN. Where the server allows extended CONNECT the WebSocket is a stream, `:protocol`
#   websocket, and no Upgrade is seen; and it fails unless the 200 bears the `Sec-WebSocket-Accept` of HTTP/1.1. undici 8.13.1 opens
#   without it. Where the server speaks h2 without extended CONNECT, both connect again, with HTTP/1.1. Node 24.21.0 asks over HTTP/1.1.
# So: who counts, limits or routes WebSockets by `Upgrade: websocket` alone misses those of Node 26 at a TLS server that offers them; and a
#   server or proxy that answers extended CONNECT sends the header all the same.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund undici@8.13.1 node@26.10.0 node24@npm:node@24.21.0
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost -keyout key.pem -out cert.pem 2>/dev/null
cat >client.mjs <<'JS'
// client.mjs CLIENT ANSWER: opens a WebSocket to a server of its own, which allows extended CONNECT unless ANSWER is `upgrade-only`.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http2 from 'node:http2';
import { once } from 'node:events';
const [client, answer] = process.argv.slice(2);
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
const accept = (key) => createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
let how = 'nothing';
const server = http2.createSecureServer({
  key: fs.readFileSync('key.pem'),
  cert: fs.readFileSync('cert.pem'),
  allowHTTP1: true,
  settings: { enableConnectProtocol: answer !== 'upgrade-only' },
});
server.on('stream', (stream, headers) => {
  how = `${headers[':method']} ${headers[':protocol']}`;
  stream.on('error', () => undefined);
  const extra = answer === 'with-accept' ? { 'sec-websocket-accept': accept(headers['sec-websocket-key']) } : {};
  stream.respond({ ':status': 200, ...extra });
});
server.on('upgrade', (request, socket) => {
  how = `Upgrade over ${request.httpVersion}`;
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
  socket.write([...lines, `Sec-WebSocket-Accept: ${accept(request.headers['sec-websocket-key'])}`, '', ''].join('\r\n'));
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `wss://127.0.0.1:${server.address().port}/`;
const tell = (end) => {
  console.log(`${client === 'undici' ? 'undici' : process.version} ${answer}: ${how}, ${end}`);
  process.exit();
};
let socket;
if (client === 'undici') {
  const { Agent, WebSocket } = await import('undici');
  socket = new WebSocket(url, { dispatcher: new Agent({ connect: { rejectUnauthorized: false } }) });
} else socket = new WebSocket(url);
socket.onopen = () => tell('open');
socket.onclose = () => tell('fails');
JS
for answer in plain with-accept upgrade-only; do
  node_modules/node24/bin/node --no-warnings client.mjs global "$answer"
  node_modules/node/bin/node --no-warnings client.mjs global "$answer"
  node_modules/node/bin/node --no-warnings client.mjs undici "$answer"
done | tee seen
diff - seen <<'SEEN'
v24.21.0 plain: Upgrade over 1.1, open
v26.10.0 plain: CONNECT websocket, fails
undici plain: CONNECT websocket, open
v24.21.0 with-accept: Upgrade over 1.1, open
v26.10.0 with-accept: CONNECT websocket, open
undici with-accept: CONNECT websocket, open
v24.21.0 upgrade-only: Upgrade over 1.1, open
v26.10.0 upgrade-only: Upgrade over 1.1, open
undici upgrade-only: Upgrade over 1.1, open
SEEN
echo 'as described above'
