// The application behind the proxy: writes all that reaches it into a file, and answers whatever looks like a request.
// node recorder.mjs FILE PORT...
import { appendFileSync } from 'node:fs';
import { createServer as createHttp2 } from 'node:http2';
import { connect, createServer } from 'node:net';

const [file, ...ports] = process.argv.slice(2);
const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const PREFACE = 'PRI * HTTP/2.0';

const record = (port, bytes) => appendFileSync(file, `${JSON.stringify({ port: Number(port), bytes })}\n`);

/** HTTP/2 is not to be read as bytes: its requests are written down as those of HTTP/1.1 would be. */
function http2(port) {
  const server = createHttp2();
  server.on('stream', (stream, headers) => {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    record(port, `${headers[':method']} ${headers[':path']} HTTP/1.1\r\n${lines.join('')}\r\n`);
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200 });
    stream.end('ok');
  });
  server.on('sessionError', () => undefined);
  return server.listen(0, '127.0.0.1');
}

for (const port of ports) {
  const requests = http2(port);
  createServer((socket) => {
    let text = '';
    socket.on('error', () => socket.destroy());
    const take = (data) => {
      const bytes = data.toString('latin1');
      if (text === '' && bytes.startsWith(PREFACE)) {
        socket.off('data', take);
        const inner = connect(requests.address().port, '127.0.0.1');
        inner.on('error', () => socket.destroy());
        inner.write(data);
        socket.pipe(inner).pipe(socket);
        return;
      }
      record(port, bytes);
      text += bytes;
      if (text.startsWith('ECHO')) {
        socket.write(data);
        return;
      }
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        text = text.slice(end + 4);
        socket.write(ANSWER);
      }
    };
    socket.on('data', take);
  }).listen(Number(port), '::');
}
