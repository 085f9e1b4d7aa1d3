// Stands in a pod and dials what it is told, as an application would, one JSON text a line:
// {"id", "host", "port", "bytes"} is answered with {"id", "text"}: all that came back, in Latin-1.
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

/** Who has said something says no more after so long; nobody takes longer than the second to say anything. */
const QUIET_MS = 400;
const PATIENCE_MS = 12_000;

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, host, port, bytes } = JSON.parse(line);
  const socket = connect({ host, port });
  let text = '';
  let quiet;
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    socket.destroy();
    clearTimeout(quiet);
    clearTimeout(last);
    process.stdout.write(`${JSON.stringify({ id, text })}\n`);
  };
  const last = setTimeout(end, PATIENCE_MS);
  socket.on('connect', () => socket.write(Buffer.from(bytes, 'latin1')));
  socket.on('data', (data) => {
    text += data.toString('latin1');
    clearTimeout(quiet);
    quiet = setTimeout(end, QUIET_MS);
  });
  for (const event of ['error', 'end']) socket.on(event, end);
});
