#!/usr/bin/env bash
# Guess: an informer of @kubernetes/client-node goes on after a failed list, as client-go's reflector does, or start() rejects.
# Seen (2.0.1): after one 500 to the list start() resolves, 'error' is emitted once, and the informer never asks again.
#   A watch that is merely quiet is ended and opened again every 30 s, whatever timeout the server would have kept.
# So: a controller on it supervises its informers, or it is blind after one hiccup at the start.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @kubernetes/client-node@2.0.1 node@24.21.0
cat >informer.mjs <<'JS'
import http from 'node:http';
import { once } from 'node:events';
import { CoreV1Api, KubeConfig, makeInformer } from '@kubernetes/client-node';
async function counted(firstListFails, seconds) {
  const asked = { lists: 0, watches: 0, errors: 0 };
  const server = http.createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    if (request.url.includes('watch=')) {
      asked.watches += 1;
      response.flushHeaders();
    } else if (asked.lists++ === 0 && firstListFails) {
      response.statusCode = 500;
      response.end('{"kind":"Status","apiVersion":"v1","status":"Failure","code":500}');
    } else {
      response.end('{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}');
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: 'c', server: `http://127.0.0.1:${server.address().port}`, skipTLSVerify: true }],
    users: [{ name: 'u' }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  });
  const api = config.makeApiClient(CoreV1Api);
  const informer = makeInformer(config, '/api/v1/pods', () => api.listPodForAllNamespaces());
  informer.on('error', () => (asked.errors += 1));
  await informer.start();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  await informer.stop();
  return asked;
}
console.log('first list fails, 15 s later:', JSON.stringify(await counted(true, 15)));
console.log('quiet watch, 40 s later:', JSON.stringify(await counted(false, 40)));
process.exit();
JS
node_modules/node/bin/node informer.mjs | tee seen
diff - seen <<'SEEN'
first list fails, 15 s later: {"lists":1,"watches":0,"errors":1}
quiet watch, 40 s later: {"lists":1,"watches":2,"errors":0}
SEEN
echo 'as described above'
