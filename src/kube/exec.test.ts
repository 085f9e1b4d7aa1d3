import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ApiServer, eventually } from '../testing/index.js';
import { mayI } from './access-review.js';
import { connectPlain, type KubeClient } from './client.js';
import type { ExecRequest } from './exec.js';

let server: ApiServer;
let client: KubeClient;

beforeEach(async () => {
  server = await ApiServer.start();
  client = connectPlain(server.url);
});

afterEach(async () => {
  client.close();
  await server.stop();
});

const request = (over: Partial<ExecRequest> = {}): ExecRequest => ({
  namespace: 'shop',
  pod: 'web-1',
  container: 'weft-proxy',
  command: ['weft-proxy', 'inspect', 'explain'],
  input: '{"to":"10.0.0.1:80"}\n',
  ...over,
});

async function read(over: Partial<ExecRequest> = {}): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of client.execLines(request(over))) lines.push(line);
  return lines;
}

test('a command in a container reads its input, and its lines arrive whole however they were cut', async () => {
  server.onExec((call) => {
    expect(call).toMatchObject({
      path: '/api/v1/namespaces/shop/pods/web-1/exec',
      container: 'weft-proxy',
      command: ['weft-proxy', 'inspect', 'explain'],
      input: '{"to":"10.0.0.1:80"}',
    });
    for (const part of ['one\ntw', 'o é', '\n', `${'x'.repeat(200_000)}\n`]) call.stdout(part);
    call.exit(0);
  });
  expect(await read()).toEqual(['one', 'two é', 'x'.repeat(200_000)]);
});

test('what goes wrong is told with the place and what the command said', async () => {
  server.onExec((call) => {
    call.stderr('weft-proxy: no proxy runs here\n');
    call.exit(1);
  });
  await expect(read()).rejects.toThrow(
    'pod shop/web-1, container weft-proxy: weft-proxy: no proxy runs here',
  );
  server.onExec((call) => call.breakOff());
  await expect(read()).rejects.toThrow('the connection broke off');
  for (const [status, code, why] of [
    [403, 'permission-denied', 'it needs get and create on pods/exec'],
    [404, 'not-found', 'there is no such pod'],
    [400, 'precondition', 'the container is not running'],
    [502, 'unavailable', '502'],
  ] as const) {
    server.failNext(status);
    const error = await read().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code });
    expect(String(error)).toContain(why);
  }
});

test('a command ends with who reads it: at the end of the loop, and by a signal', async () => {
  const gone: AbortSignal[] = [];
  server.onExec((call) => {
    gone.push(call.gone);
    call.stdout('line\n');
  });
  for await (const line of client.execLines(request())) {
    expect(line).toBe('line');
    break;
  }
  await eventually('the first has ended', () => gone[0]?.aborted);
  const abort = new AbortController();
  const reading = read({ signal: abort.signal });
  await eventually('the second runs', () => gone.length === 2);
  abort.abort();
  await expect(reading).rejects.toMatchObject({ code: 'aborted' });
  await eventually('the second has ended', () => gone[1]?.aborted);
});

test('a command that is to answer and says more than it may is ended, also where it ends no line', async () => {
  let gone: AbortSignal | undefined;
  server.onExec((call) => {
    gone = call.gone;
    for (let part = 0; part < 4; part++) call.stdout('x'.repeat(10_000));
  });
  await expect(read({ maxBytes: 30_000 })).rejects.toThrow('the command said more than 30000 bytes');
  await eventually('it has ended', () => gone?.aborted);
});

test('an API server that does not connect us is not waited for without end', async () => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const to = connectPlain(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`);
  await expect(async () => {
    for await (const line of to.execLines(request({ timeoutMs: 50 }))) expect(line).toBe('never');
  }).rejects.toMatchObject({ code: 'timeout' });
  to.close();
  silent.close();
});

test('the API server is asked what we may do', async () => {
  const asked: unknown[] = [];
  server.onPost('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', (body) => {
    asked.push(body);
    return { status: 201, body: { status: { allowed: asked.length === 1 } } };
  });
  const right = { namespace: 'shop', verb: 'create', resource: 'pods', subresource: 'exec' };
  expect(await mayI(client, right)).toBe(true);
  expect(await mayI(client, right)).toBe(false);
  expect(asked[0]).toMatchObject({ spec: { resourceAttributes: right } });
});
