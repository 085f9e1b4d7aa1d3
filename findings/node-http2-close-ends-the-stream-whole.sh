#!/usr/bin/env bash
# Guess: `stream.close(code)` on a response that is under way sends RST_STREAM with that code, as its documentation says,
#   so that the client sees that the body broke off.
# Seen (Node 26.10.0): it ends the writable side first, DATA with END_STREAM, and no RST_STREAM follows, with the default
#   code and with INTERNAL_ERROR alike. Nobody on the wire, proxies included, can tell that body from a whole one.
#   `destroy()` resets with NO_ERROR, `destroy(error)` with INTERNAL_ERROR.
# So: a Node service that gives up half-way calls `stream.destroy(error)`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund node@26.10.0
cat >frames.mjs <<'JS'
import http2 from 'node:http2';
import net from 'node:net';
import { once } from 'node:events';
const NAMES = { 0: 'DATA', 1: 'HEADERS', 3: 'RST_STREAM' };
async function frames(end) {
  const server = http2.createServer();
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.respond({ ':status': 200 });
    stream.write('half a body', () => end(stream));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = net.connect(server.address().port, '127.0.0.1');
  const request = Buffer.from([0x82, 0x86, 0x84, 0x41, 9, ...Buffer.from('localhost')]);
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, request.length, 1, 5, 0, 0, 0, 1, ...request]));
  const seen = [];
  let input = Buffer.alloc(0);
  for await (const chunk of socket) {
    input = Buffer.concat([input, chunk]);
    while (input.length >= 9 && input.length >= 9 + input.readUIntBE(0, 3)) {
      const [length, type, flags, stream] = [input.readUIntBE(0, 3), input[3], input[4], input.readUInt32BE(5)];
      const detail = type === 3 ? ` ${input.readUInt32BE(9)}` : flags & 1 ? ' with END_STREAM' : '';
      if (stream === 1 && NAMES[type]) seen.push(NAMES[type] + detail);
      input = input.subarray(9 + length);
    }
    if (/END_STREAM|RST/.test(seen.at(-1) ?? '')) setTimeout(() => socket.end(), 300);
  }
  server.close();
  return seen.join(', ');
}
console.log(`close(): ${await frames((stream) => stream.close())}`);
console.log(`close(INTERNAL_ERROR): ${await frames((stream) => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR))}`);
console.log(`destroy(): ${await frames((stream) => stream.destroy())}`);
console.log(`destroy(error): ${await frames((stream) => stream.destroy(new Error('gave up')))}`);
process.exit();
JS
node_modules/node/bin/node --version
node_modules/node/bin/node frames.mjs | tee seen
diff - seen <<'SEEN'
close(): HEADERS, DATA, DATA with END_STREAM
close(INTERNAL_ERROR): HEADERS, DATA, DATA with END_STREAM
destroy(): HEADERS, DATA, RST_STREAM 0
destroy(error): HEADERS, DATA, RST_STREAM 2
SEEN
echo 'as described above'
