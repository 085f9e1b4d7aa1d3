#!/usr/bin/env bash
# Guess: an HTTP client that finds its kept connection closed under a GET sends it again over a fresh one, as browsers do and
#   RFC 9110 9.2.2 allows, so that a server may close idle connections when it likes.
# Seen: Go's net/http (1.26) and aiohttp 3.14.5 do. `fetch` and `http.Agent` of Node 24.21.0 and 26.10.0, requests 2.34.2 and httpx
#   0.28.1 give the caller an error, although nothing but the request line was lost. Nobody repeats a POST.
# So: between most clients and a server with a short idle time somebody else has to send the request again, or to close first.
set -euo pipefail
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund node@26.10.0 node24@npm:node@24.21.0
python3 -m venv py && py/bin/pip --quiet install aiohttp==3.14.5 httpx==0.28.1 requests==2.34.2
cat >server.mjs <<'JS'
// Answers /warm and the first request of a connection, and hangs up on any other without a word.
import net from 'node:net';
const server = net.createServer((socket) => {
  let asked = 0;
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    const [, path] = bytes.toString().split(' ');
    if (!path?.startsWith('/')) return;
    asked += 1;
    if (asked === 1 || path === '/warm') socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    else socket.destroy();
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
JS
cat >client.mjs <<'JS'
import http from 'node:http';
const base = `http://127.0.0.1:${process.argv[2]}`;
const line = process.version.slice(1, 3);
async function told(name, send) {
  for (const method of ['GET', 'POST']) {
    await send('GET', `${base}/warm`);
    await new Promise((done) => setTimeout(done, 100)); // until it is back in the pool
    console.log(`${name} of Node ${line}, ${method}: ${await send(method, `${base}/`).then(() => 'sent again', () => 'an error')}`);
  }
}
await told('fetch', async (method, url) => (await fetch(url, { method })).text());
const agent = new http.Agent({ keepAlive: true });
await told('http.Agent', (method, url) => new Promise((done, fail) => {
  http.request(url, { method, agent }, (response) => response.resume().on('end', done)).on('error', fail).end();
}));
process.exit();
JS
cat >client.py <<'PY'
import asyncio, sys
import aiohttp, httpx, requests
base = f'http://127.0.0.1:{sys.argv[1]}'
def told(name, send):
    for method in ('GET', 'POST'):
        send('GET', f'{base}/warm')
        try:
            send(method, f'{base}/')
            print(f'{name}, {method}: sent again')
        except (httpx.HTTPError, requests.RequestException, aiohttp.ClientError):
            print(f'{name}, {method}: an error')
told('requests', requests.Session().request)
told('httpx', httpx.Client().request)
loop = asyncio.new_event_loop()
async def session():
    return aiohttp.ClientSession()
client = loop.run_until_complete(session())
async def read(method, url):
    async with client.request(method, url) as response:
        await response.read()
told('aiohttp', lambda method, url: loop.run_until_complete(read(method, url)))
loop.run_until_complete(client.close())
PY
cat >client.go <<'GO'
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func send(method, url string) error {
	request, err := http.NewRequest(method, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

func main() {
	base := "http://127.0.0.1:" + os.Args[1]
	for _, method := range []string{"GET", "POST"} {
		send("GET", base+"/warm")
		outcome := "sent again"
		if send(method, base+"/") != nil {
			outcome = "an error"
		}
		fmt.Printf("net/http of Go, %s: %s\n", method, outcome)
	}
}
GO
go build -o client client.go
node_modules/node/bin/node server.mjs >port &
server=$!
until [[ -s port ]]; do sleep 0.05; done
{
  node_modules/node24/bin/node client.mjs "$(<port)"
  node_modules/node/bin/node client.mjs "$(<port)"
  py/bin/python client.py "$(<port)"
  ./client "$(<port)"
} | tee seen
diff - seen <<'SEEN'
fetch of Node 24, GET: an error
fetch of Node 24, POST: an error
http.Agent of Node 24, GET: an error
http.Agent of Node 24, POST: an error
fetch of Node 26, GET: an error
fetch of Node 26, POST: an error
http.Agent of Node 26, GET: an error
http.Agent of Node 26, POST: an error
requests, GET: an error
requests, POST: an error
httpx, GET: an error
httpx, POST: an error
aiohttp, GET: sent again
aiohttp, POST: an error
net/http of Go, GET: sent again
net/http of Go, POST: an error
SEEN
echo 'as described above'
