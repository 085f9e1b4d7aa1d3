// Callers in a pod of the mesh, until the input ends: HTTP/1.1 over a kept and over fresh connections, HTTP/2 over one session, and lines over one
// raw connection. Each asks again as soon as it has its answer, fifty times a second at most; then {"done", "broken"} is printed.
// node steady.mjs HOST HTTP GRPC TCP
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

const [host, http, grpc, tcp] = process.argv.slice(2);
const PAUSE_MS = 20;
const PATIENCE_MS = 10_000;
/** What e2e/security/recorder.mjs answers. */
const ANSWER = 'ok';
const done = {};
const broken = [];
let ended = false;

async function get(agent) {
  const asked = request({ host, port: http, path: '/steady', agent, timeout: PATIENCE_MS });
  asked.on('timeout', () => asked.destroy(new Error('no answer')));
  asked.end();
  const [response] = await once(asked, 'response');
  const body = await text(response);
  if (response.statusCode !== 200)
    throw new Error(`${response.statusCode} ${response.headers['x-weft-reason']}`);
  if (body !== ANSWER) throw new Error(`${JSON.stringify(body)} instead of ${ANSWER}`);
}

let session;
async function stream() {
  // A session that was asked to end takes no more requests, which breaks none.
  if (session === undefined || session.closed || session.destroyed) {
    session = connectHttp2(`http://${host}:${grpc}`);
    session.on('error', () => undefined);
    session.on('goaway', () => session.close());
  }
  const asked = session.request({ ':path': '/steady' });
  asked.setTimeout(PATIENCE_MS, () => asked.destroy(new Error('no answer')));
  // What is reset with NO_ERROR or CANCEL closes without an error, and may end before its body has.
  const closed = new AbortController();
  asked.once('close', () => closed.abort(new Error(`closed with ${asked.rstCode}`)));
  const ending = once(asked, 'close');
  ending.catch(() => undefined);
  const [head] = await once(asked, 'response', { signal: closed.signal });
  const body = await text(asked);
  await ending;
  if (head[':status'] !== 200) throw new Error(`${head[':status']} ${head['x-weft-reason']}`);
  if (asked.rstCode !== 0 || body !== ANSWER)
    throw new Error(`closed with ${asked.rstCode} after ${JSON.stringify(body)}`);
}

const raw = connect({ host, port: Number(tcp) });
raw.on('error', () => undefined);
async function line() {
  if (raw.destroyed || raw.readableEnded) throw new Error('the connection has ended');
  raw.write('ECHO\n');
  await once(raw, 'data', { signal: AbortSignal.timeout(PATIENCE_MS) });
}

async function keep(name, act) {
  done[name] = 0;
  while (!ended) {
    try {
      await act();
      done[name] += 1;
    } catch (error) {
      // Whoever waits for an event is told why it will not come by the cause.
      broken.push(`${name}: ${(error.cause ?? error).message}`);
    }
    await sleep(PAUSE_MS);
  }
}

process.stdin.on('end', () => (ended = true)).resume();
const kept = new Agent({ keepAlive: true, maxSockets: 1 });
await Promise.all([
  keep('kept', () => get(kept)),
  keep('fresh', () => get(false)),
  keep('stream', stream),
  keep('bytes', line),
]);
process.stdout.write(JSON.stringify({ done, broken }), () => process.exit(0));
