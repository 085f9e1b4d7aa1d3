#!/usr/bin/env bash
# Guess: `grpc-timeout` is what is left of the caller's deadline, to the millisecond or rounded down, so a server that keeps it
#   never works for a caller that has gone.
# Seen (grpcio 1.85.3): Python's library, which is gRPC's C core, keeps three digits and rounds *up*: 4,003 s go out as 4,010 s,
#   40,030 s as 40,100 s, 400,300 s as 6,680 minutes, which are 500 s more. grpc-js 1.14.7 sends milliseconds, as long as they have
#   eight digits, and no more than is left.
# So: behind a Python caller the deadline on the wire is up to 1 % late. Who measures "the server gave up in time" allows for that, and
#   who reads the header knows all of its units.
set -euo pipefail
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @grpc/grpc-js@1.14.7 node@24.21.0
python3 -m venv py && py/bin/pip --quiet install grpcio==1.85.3
cat >server.mjs <<'JS'
import http2 from 'node:http2';
const UNITS = { H: 3600, M: 60, S: 1, m: 1e-3, u: 1e-6, n: 1e-9 };
const server = http2.createServer();
server.on('stream', (stream, headers) => {
  const [, amount, unit] = /^(\d+)([HMSmun])$/.exec(headers['grpc-timeout']);
  console.log(`${headers['user-agent'].split('/')[0]}: ${Math.round(amount * UNITS[unit])} s, in ${unit}`);
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '0' }, { endStream: true });
});
server.listen(0, '127.0.0.1', () => console.error(server.address().port));
JS
cat >client.mjs <<'JS'
import grpc from '@grpc/grpc-js';
const client = new grpc.Client(`127.0.0.1:${process.argv[2]}`, grpc.credentials.createInsecure());
const bytes = (value) => value;
for (const seconds of [4003, 40_030, 400_300]) {
  const options = { deadline: Date.now() + seconds * 1000 };
  await new Promise((done) => client.makeUnaryRequest('/a.B/C', bytes, bytes, Buffer.alloc(0), new grpc.Metadata(), options, done));
}
client.close();
JS
cat >client.py <<'PY'
import grpc, sys
call = grpc.insecure_channel(f'127.0.0.1:{sys.argv[1]}').unary_unary('/a.B/C')
for seconds in [4003, 40_030, 400_300]:
    try:
        call(b'', timeout=seconds)
    except grpc.RpcError:
        pass
PY
node=node_modules/node/bin/node
$node server.mjs >seen 2>port &
server=$!
until [[ -s port ]]; do sleep 0.05; done
$node client.mjs "$(<port)"
py/bin/python client.py "$(<port)"
cat seen
diff - seen <<'SEEN'
grpc-node-js: 4003 s, in m
grpc-node-js: 40030 s, in m
grpc-node-js: 400300 s, in S
grpc-python: 4010 s, in S
grpc-python: 40100 s, in S
grpc-python: 400800 s, in M
SEEN
echo 'as described above'
