#!/usr/bin/env bash
# Guess: months after revision 2026-07-28 of the Model Context Protocol, the TypeScript SDK's newest client sends the headers
#   `Mcp-Method` and `Mcp-Name` that the revision asks for, so that a proxy can judge a tool call without its body.
# Seen (@modelcontextprotocol/client 2.4.0 and its predecessor sdk 1.32.2): by default it opens with the `initialize` of 2025,
#   and no request bears either header. Only with `versionNegotiation: {mode: 'auto'}` it asks the server first, with
#   `Mcp-Method: server/discover`; where the server does not know that, it goes back to 2025 without a word.
# So: a rule on these headers denies nearly every client of today, or, written as a list of what is denied, denies none.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @modelcontextprotocol/client@2.4.0 @modelcontextprotocol/sdk@1.32.2 node@24.21.0
cat >client.mjs <<'JS'
import http from 'node:http';
import { once } from 'node:events';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as Older } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OlderTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
const RESULTS = {
  initialize: (params) => ({ protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 's', version: '1' } }),
  'tools/list': () => ({ tools: [{ name: 'sum', inputSchema: { type: 'object' } }] }),
  'tools/call': () => ({ content: [] }),
};
const server = http.createServer(async (request, response) => {
  if (request.method !== 'POST') return response.writeHead(405).end();
  const { id, method, params } = JSON.parse(Buffer.concat(await request.toArray()).toString());
  const header = (name) => request.headers[name] ?? '-';
  console.log(`  ${method}: mcp-method ${header('mcp-method')}, mcp-name ${header('mcp-name')}, version ${header('mcp-protocol-version')}`);
  if (id === undefined) return response.writeHead(202).end();
  const known = RESULTS[method];
  const answer = known ? { result: known(params) } : { error: { code: -32601, message: 'Method not found' } };
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ jsonrpc: '2.0', id, ...answer }));
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const url = new URL(`http://127.0.0.1:${server.address().port}/mcp`);
async function call(title, client, transport) {
  console.log(title);
  await client.connect(transport);
  await client.listTools();
  await client.callTool({ name: 'sum', arguments: {} });
  await client.close();
}
const me = { name: 'c', version: '1' };
await call('sdk 1.32.2', new Older(me), new OlderTransport(url));
await call('client 2.4.0', new Client(me), new StreamableHTTPClientTransport(url));
await call('client 2.4.0, auto', new Client(me, { versionNegotiation: { mode: 'auto' } }), new StreamableHTTPClientTransport(url));
process.exit();
JS
node_modules/node/bin/node client.mjs | tee seen
diff - seen <<'SEEN'
sdk 1.32.2
  initialize: mcp-method -, mcp-name -, version -
  notifications/initialized: mcp-method -, mcp-name -, version 2025-11-25
  tools/list: mcp-method -, mcp-name -, version 2025-11-25
  tools/call: mcp-method -, mcp-name -, version 2025-11-25
client 2.4.0
  initialize: mcp-method -, mcp-name -, version -
  notifications/initialized: mcp-method -, mcp-name -, version 2025-11-25
  tools/list: mcp-method -, mcp-name -, version 2025-11-25
  tools/call: mcp-method -, mcp-name -, version 2025-11-25
client 2.4.0, auto
  server/discover: mcp-method server/discover, mcp-name -, version 2026-07-28
  initialize: mcp-method -, mcp-name -, version -
  notifications/initialized: mcp-method -, mcp-name -, version 2025-11-25
  tools/list: mcp-method -, mcp-name -, version 2025-11-25
  tools/call: mcp-method -, mcp-name -, version 2025-11-25
SEEN
echo 'as described above'
