#!/usr/bin/env bash
# Guess: a Redis client of Node opens with the first command it is given, in RESP2, and the address it was given is where it
#   stays until its connection ends.
# Seen: ioredis 6.0.0 and node-redis 6.3.1 both open with HELLO 3 (RESP3) and CLIENT SETINFO. node-redis also sends, unasked,
#   CLIENT MAINT_NOTIFICATIONS ON and wants an "external-ip" (for 127.0.0.1 and for a host name too): it lets the server move
#   it to another endpoint, by address.
# So: whoever balances or authorizes by the address of a Service meets connections that were moved past it; and a proxy that
#   knows Redis by its first command must know HELLO.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund ioredis@6.0.0 redis@6.3.1 node@24.21.0
cat >clients.mjs <<'JS'
import net from 'node:net';
import { once } from 'node:events';
import Redis from 'ioredis';
import { createClient } from 'redis';
/** What a client says before it has heard anything, a command a line. */
async function opening(connect) {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  connect(server.address().port);
  const [socket] = await once(server, 'connection');
  const [bytes] = await once(socket, 'data');
  const words = bytes.toString().split('\r\n').filter((line) => line !== '' && !line.startsWith('$'));
  return words.join(' ').split(/ ?\*\d+ /).filter(Boolean);
}
const quiet = () => {};
const report = async (name, connect) => {
  for (const command of await opening(connect)) if (!/LIB-/i.test(command)) console.log(`${name}: ${command.toUpperCase()}`);
};
await report('ioredis', (port) => new Redis(port, '127.0.0.1', { retryStrategy: null }).on('error', quiet));
const nodeRedis = (host) => (port) => createClient({ url: `redis://${host}:${port}` }).on('error', quiet).connect().catch(quiet);
await report('node-redis by address', nodeRedis('127.0.0.1'));
await report('node-redis by name', nodeRedis('localhost'));
process.exit();
JS
node_modules/node/bin/node clients.mjs | tee seen
diff - seen <<'SEEN'
ioredis: HELLO 3
node-redis by address: HELLO 3
node-redis by address: CLIENT MAINT_NOTIFICATIONS ON MOVING-ENDPOINT-TYPE EXTERNAL-IP
node-redis by name: HELLO 3
node-redis by name: CLIENT MAINT_NOTIFICATIONS ON MOVING-ENDPOINT-TYPE EXTERNAL-IP
SEEN
echo 'as described above'
