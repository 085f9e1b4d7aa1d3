// Everything that is outside: answers at whatever address is dialled, and writes down where and what.
// node outside.mjs FILE PORT...
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:net';

const [file, ...ports] = process.argv.slice(2);
const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\noutside';

for (const port of ports)
  createServer((socket) => {
    const at = `${socket.localAddress}:${port}`;
    const record = (bytes) => appendFileSync(file, `${JSON.stringify({ at, bytes })}\n`);
    record('');
    socket.on('error', () => socket.destroy());
    socket.on('data', (data) => {
      const bytes = data.toString('latin1');
      record(bytes);
      socket.write(bytes.includes('\r\n\r\n') ? ANSWER : 'outside');
    });
  }).listen(Number(port), '0.0.0.0');
