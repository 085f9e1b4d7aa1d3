// Files by Node's own servers, the first port for HTTP/1.1 and the second for HTTP/2, as they are mostly written: the path is what URL makes
// of the target, decoded. node node.mjs FOLDER PORT PORT
import { statSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import { join, relative } from 'node:path';

const [folder, http1, http2] = process.argv.slice(2);

/** The file that a target is mapped to, below the folder; undefined where there is none. */
function find(target) {
  const path = decodeURIComponent(new URL(target, 'http://server').pathname);
  const file = relative(folder, join(folder, path));
  return !file.startsWith('..') && statSync(join(folder, file), { throwIfNoEntry: false }) ? file : undefined;
}

function answer(request, response) {
  let file;
  try {
    file = find(request.url);
  } catch {
    response.statusCode = 400;
  }
  if (file !== undefined) response.setHeader('x-served', file.split('/')[0]);
  else if (response.statusCode === 200) response.statusCode = 404;
  const read = request.headers['x-group'];
  if (read !== undefined) response.setHeader('x-read', encodeURIComponent(read));
  response.end();
}

createServer(answer).listen(Number(http1), '0.0.0.0');
createHttp2(answer)
  .on('sessionError', () => undefined)
  .listen(Number(http2), '0.0.0.0');
