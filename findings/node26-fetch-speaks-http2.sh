#!/usr/bin/env bash
# Guess: `fetch` of Node speaks HTTP/1.1 unless HTTP/2 is asked for with `allowH2`, as it was up to undici 7.
# Seen: undici 8.13.1, and the global `fetch` of Node 26.10.0 (undici 8.10.2), offer h2 by ALPN and use it where the server
#   takes it. Node 24.21.0's does not.
# So: with Node 26 many small calls to one TLS server become streams of one connection; a balancer of connections sees one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund undici@8.13.1 node@26.10.0 node24@npm:node@24.21.0
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost -keyout key.pem -out cert.pem 2>/dev/null
cat >client.mjs <<'JS'
import fs from 'node:fs';
import http2 from 'node:http2';
import { once } from 'node:events';
const options = { key: fs.readFileSync('key.pem'), cert: fs.readFileSync('cert.pem'), allowHTTP1: true };
const server = http2.createSecureServer(options, (request, response) => response.end(request.httpVersion));
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `https://127.0.0.1:${server.address().port}/`;
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
console.log(`fetch of Node ${process.version}: HTTP/${await (await fetch(url)).text()}`);
if (process.argv[2]) {
  const { fetch, Agent } = await import('undici');
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
  console.log(`fetch of undici: HTTP/${await (await fetch(url, { dispatcher })).text()}`);
}
process.exit();
JS
{
  node_modules/node24/bin/node --no-warnings client.mjs
  node_modules/node/bin/node --no-warnings client.mjs with-undici
} | tee seen
diff - seen <<'SEEN'
fetch of Node v24.21.0: HTTP/1.1
fetch of Node v26.10.0: HTTP/2.0
fetch of undici: HTTP/2.0
SEEN
echo 'as described above'
