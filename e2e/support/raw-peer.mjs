// Asks a meshed port for targets as they are written, without any proxy of ours, and prints the answers as JSON.
// node raw-peer.mjs HOST:PORT WIRE TARGETS [CERT KEY]   WIRE: plain, weft1-h1, weft1-tcp or weft1-h2; TARGETS: a JSON list
import { readFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';

const [address, wire, targets, cert, key] = process.argv.slice(2);
const at = address.lastIndexOf(':');
const [host, port] = [address.slice(0, at), Number(address.slice(at + 1))];

function dial() {
  if (wire === 'plain') return connectTcp({ host, port });
  return connectTls({
    host,
    port,
    ALPNProtocols: [wire],
    minVersion: 'TLSv1.3',
    rejectUnauthorized: false, // who the receiver is does not matter here
    checkServerIdentity: () => undefined,
    cert: readFileSync(cert),
    key: readFileSync(key),
  });
}

/** Version, length and an empty message: what stands in front of bytes between proxies. */
const TUNNEL = Buffer.from([1, 0, 0]);

function http1(target) {
  return new Promise((done) => {
    const socket = dial();
    let text = '';
    const end = () => {
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
      const reason = /^x-weft-reason: (.*)\r$/im.exec(text)?.[1] ?? '';
      socket.destroy();
      done({ target, status, reason });
    };
    socket.on(wire === 'plain' ? 'connect' : 'secureConnect', () => {
      if (wire === 'weft1-tcp') socket.write(TUNNEL);
      socket.write(`GET ${target} HTTP/1.1\r\nhost: server\r\n\r\n`);
    });
    socket.on('data', (data) => {
      text += data.toString('latin1');
      if (text.includes('\r\n\r\n')) end();
    });
    socket.on('error', end);
    socket.on('close', end);
    socket.setTimeout(10_000, end);
  });
}

function http2(target) {
  return new Promise((done) => {
    const session = connectHttp2('http://server', { createConnection: dial });
    const end = (status, reason) => {
      session.destroy();
      done({ target, status, reason });
    };
    session.on('error', () => end(0, ''));
    const stream = session.request({ ':path': target, ':authority': 'server' });
    stream.on('response', (headers) => end(headers[':status'], headers['x-weft-reason'] ?? ''));
    stream.on('error', () => end(0, ''));
    stream.setTimeout(10_000, () => end(0, ''));
    stream.end();
  });
}

const answers = [];
for (const target of JSON.parse(targets)) answers.push(await (wire === 'weft1-h2' ? http2 : http1)(target));
console.log(JSON.stringify(answers));
process.exit(0);
