#!/usr/bin/env bash
# Guess: a client of HTTP/1.1 that knows nothing of `103 Early Hints` skips it and gives its caller the answer that follows, and one
#   that gets `100 Continue` unasked skips that too, as RFC 9110 15.2 demands of all 1xx but 101.
# Seen: requests 2.34.2 and urllib3 2.8.0, by `http.client` of Python (3.11.7 and 3.13.0), skip 100 and nothing else: their caller gets
#   status 102, 103 or 199 with an empty body, and the answer is lost. `fetch` of Node 24.21.0 and 26.10.0 is the other way round: it
#   skips these, and fails on an unasked 100 ("bad response"). httpx 0.28.1, aiohttp 3.14.5, `http` of Node and curl skip all.
# So: a proxy that passes 1xx responses on, as it must, passes them only where the server sent them, and makes none of its own; and a
#   server behind which Python clients may be sends hints to those that ask as browsers do.
set -euo pipefail
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund node@26.10.0 node24@npm:node@24.21.0
python3 -m venv py && py/bin/pip --quiet install aiohttp==3.14.5 httpx==0.28.1 requests==2.34.2 urllib3==2.8.0
cat >server.py <<'PY'
# Answers `GET /CODE` with that informational response, and then with 200.
import socket, threading, time

EARLY = {
    b'/100': b'HTTP/1.1 100 Continue\r\n\r\n',
    b'/102': b'HTTP/1.1 102 Processing\r\n\r\n',
    b'/103': b'HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n',
    b'/199': b'HTTP/1.1 199 Own\r\n\r\n',
}

def serve(peer):
    head = b''
    while b'\r\n\r\n' not in head:
        more = peer.recv(4096)
        if not more:
            return
        head += more
    try:
        peer.sendall(EARLY[head.split(b' ')[1]])
        time.sleep(0.05)
        peer.sendall(b'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nwhole')
    except OSError:
        pass  # a client that took the first for the answer has gone
    peer.close()

listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
PY
python3 server.py >port &
server=$!
until [[ -s port ]]; do sleep 0.1; done
at=http://127.0.0.1:$(<port)
cat >client.py <<'PY'
import asyncio, sys
import aiohttp, httpx, requests, urllib3

async def by_aiohttp(url):
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status

CLIENTS = {
    'requests': lambda url: requests.get(url).status_code,
    'urllib3': lambda url: urllib3.PoolManager().request('GET', url).status,
    'httpx': lambda url: httpx.get(url).status_code,
    'aiohttp': lambda url: asyncio.run(by_aiohttp(url)),
}
for name, ask in CLIENTS.items():
    print(name, *(ask(f'{sys.argv[1]}/{code}') for code in (100, 102, 103, 199)))
PY
cat >client.mjs <<'JS'
import http from 'node:http';
const version = process.version;
const byHttp = (url) =>
  new Promise((done, fail) => http.get(url, (response) => done(response.resume().statusCode)).on('error', fail));
const byFetch = (url) => fetch(url).then(({ status }) => status, () => 'fails');
for (const [name, ask] of [['http', byHttp], ['fetch', byFetch]]) {
  const seen = [];
  for (const code of [100, 102, 103, 199]) seen.push(await ask(`${process.argv[2]}/${code}`));
  console.log(`${name} of Node ${version}`, ...seen);
}
process.exit();
JS
echo "Python $(py/bin/python -c 'import platform; print(platform.python_version())')"
{
  echo 'informational: 100 102 103 199'
  py/bin/python client.py "$at"
  node_modules/node24/bin/node client.mjs "$at"
  node_modules/node/bin/node client.mjs "$at"
  echo "curl $(for code in 100 102 103 199; do curl --silent --output body --write-out '%{http_code} ' "$at/$code"; done)"
} | tee seen
diff --ignore-trailing-space - seen <<'SEEN'
informational: 100 102 103 199
requests 200 102 103 199
urllib3 200 102 103 199
httpx 200 200 200 200
aiohttp 200 200 200 200
http of Node v24.21.0 200 200 200 200
fetch of Node v24.21.0 fails 200 200 200
http of Node v26.10.0 200 200 200 200
fetch of Node v26.10.0 fails 200 200 200
curl 200 200 200 200
SEEN
echo 'as described above'
