#!/usr/bin/env bash
# Guess: a client whose response is cut off by RST_STREAM before END_STREAM reports an error, whatever the code.
# Seen: Node's http2 client (26.10.0) and undici (8.13.1) over it end such a body without an error when the code is
#   NO_ERROR or CANCEL; with INTERNAL_ERROR they fail as they should. Neither 'error' nor 'aborted' is emitted, only 'end'.
#   Python's httpx (0.28.1, h2 4.4.1) reports both. There is no Content-Length to compare with.
# So: whoever forwards a response that broke off must not reset with CANCEL towards the one who reads it.
set -euo pipefail
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund node@26.10.0 undici@8.13.1
python3 -m venv py && py/bin/pip --quiet install 'httpx[http2]==0.28.1' h2==4.4.1
cat >server.mjs <<'JS'
// Speaks just enough HTTP/2: a head, eleven bytes, and a reset with the code that the path names.
import net from 'node:net';
const frame = (type, flags, stream, payload = Buffer.alloc(0)) => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
};
const code = Buffer.alloc(4);
code.writeUInt32BE(Number(process.argv[2]));
const server = net.createServer((socket) => {
  let input = Buffer.alloc(0);
  let opened = false;
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    input = Buffer.concat([input, chunk]);
    if (!opened) {
      if (input.length < 24) return;
      input = input.subarray(24);
      opened = true;
      socket.write(frame(4, 0, 0));
    }
    while (input.length >= 9 && input.length >= 9 + input.readUIntBE(0, 3)) {
      const [type, flags, stream] = [input[3], input[4], input.readUInt32BE(5)];
      input = input.subarray(9 + input.readUIntBE(0, 3));
      if (type === 4 && !(flags & 1)) socket.write(frame(4, 1, 0));
      if (type === 1) {
        const body = Buffer.from('half a body');
        socket.write(Buffer.concat([frame(1, 4, stream, Buffer.from([0x88])), frame(0, 0, stream, body), frame(3, 0, stream, code)]));
      }
    }
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
JS
cat >client.mjs <<'JS'
import http2 from 'node:http2';
import { once } from 'node:events';
import { Agent, request } from 'undici';
const url = `http://127.0.0.1:${process.argv[2]}`;
const session = http2.connect(url);
const stream = session.request({ ':path': '/' });
const events = [];
for (const name of ['end', 'aborted', 'error']) stream.on(name, () => events.push(name));
stream.resume();
await once(stream, 'close').catch(() => {});
console.log(`node http2: ${events.join(', ')}`);
const dispatcher = new Agent({ allowH2: true, useH2c: true });
const outcome = await request(url, { dispatcher }).then(({ body }) => body.text()).then((text) => `whole, ${text.length} bytes`, () => 'error');
console.log(`undici: ${outcome}`);
process.exit();
JS
cat >client.py <<'PY'
import httpx, sys
try:
    with httpx.Client(http1=False, http2=True) as client:
        print('httpx: whole,', len(client.get(f'http://127.0.0.1:{sys.argv[1]}/').content), 'bytes')
except httpx.HTTPError:
    print('httpx: error')
PY
node=node_modules/node/bin/node
echo "node $($node --version)"
for code in 0 8 2; do
  $node server.mjs "$code" >port &
  server=$!
  until [[ -s port ]]; do sleep 0.05; done
  echo "reset with code $code"
  $node client.mjs "$(<port)"
  py/bin/python client.py "$(<port)"
  kill "$server"
  : >port
done | tee seen
diff - <(tail -n +1 seen) <<'SEEN'
reset with code 0
node http2: end
undici: whole, 11 bytes
httpx: error
reset with code 8
node http2: end
undici: whole, 11 bytes
httpx: error
reset with code 2
node http2: error
undici: error
httpx: error
SEEN
echo 'as described above'
