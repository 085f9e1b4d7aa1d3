import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { fetchKeySet } from './fetch-key-set.js';
import { dialOnly } from './networks.js';
import { aServerCertificate, type ServerCertificate } from './server-certificate.fixture.js';

let tls: ServerCertificate;
let other: ServerCertificate;
const servers: Server[] = [];

beforeAll(async () => {
  [tls, other] = await Promise.all([aServerCertificate(['localhost']), aServerCertificate(['localhost'])]);
});

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

/** A server of key sets, on loopback. */
async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  certificate = tls,
): Promise<number> {
  const server = createServer({ key: certificate.key, cert: certificate.certificate }, answer);
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const SET = '{"keys":[]}';
const limits = (timeoutMs = 5_000) => ({
  mayDial: () => true,
  timeoutMs,
  signal: new AbortController().signal,
});
const fetched = async (port: number, timeoutMs?: number): Promise<string> =>
  await fetchKeySet({ url: `https://localhost:${port}/keys`, caBundle: tls.authority }, limits(timeoutMs));

test('what a server answers is fetched as it is', async () => {
  let asked: IncomingMessage | undefined;
  const port = await serve((request, response) => {
    asked = request;
    response.end(SET);
  });
  expect(await fetched(port)).toBe(SET);
  expect([asked?.method, asked?.url, asked?.headers.cookie, asked?.headers.authorization]).toEqual([
    'GET',
    '/keys',
    undefined,
    undefined,
  ]);
});

test.each<[string, (request: IncomingMessage, response: ServerResponse) => void, RegExp]>([
  [
    'that redirects',
    (_, response) => response.writeHead(302, { location: '/else' }).end(),
    /redirects \(302\)/,
  ],
  ['that has none', (_, response) => response.writeHead(404).end(SET), /status 404/],
  ['that is broken', (_, response) => response.writeHead(500).end(SET), /status 500/],
  [
    'that compresses',
    (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(SET),
    /compressed/,
  ],
  ['that never ends', (_, response) => flood(response), /longer than 262144 bytes/],
  ['that breaks off', (_, response) => breakOff(response), /aborted|broke off|ECONNRESET/],
])('nothing is fetched from a server %s', async (_name, answer, reason) => {
  await expect(fetched(await serve(answer))).rejects.toThrow(reason);
});

test.each([
  ['that is silent', () => undefined],
  ['that is slow', (_: IncomingMessage, response: ServerResponse) => void response.write('{')],
])('nobody waits for a server %s', async (_name, answer) => {
  await expect(fetched(await serve(answer), 300)).rejects.toThrow(/no whole answer within 0.3 s/);
});

test('a certificate must be of the authority, and for the name', async () => {
  const stranger = await serve((_, response) => response.end(SET), other);
  await expect(fetched(stranger)).rejects.toThrow(/UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED|certificate/);
  const port = await serve((_, response) => response.end(SET));
  const byAddress = { url: `https://127.0.0.1:${port}/`, caBundle: tls.authority };
  await expect(fetchKeySet(byAddress, limits())).rejects.toThrow(/ERR_TLS_CERT_ALTNAME_INVALID/);
  await expect(fetchKeySet({ url: `https://localhost:${port}/` }, limits())).rejects.toThrow();
  await expect(fetchKeySet({ url: `http://localhost:${port}/` }, limits())).rejects.toThrow(
    /not one of https/,
  );
});

describe('addresses', () => {
  test.each([
    'https://localhost',
    'https://127.0.0.1',
    'https://[::1]',
    'https://[::ffff:127.0.0.1]',
    'https://2130706433',
  ])('of ourselves are not dialled as %s, and not a byte is sent there', async (origin) => {
    let connections = 0;
    const port = await serve((_, response) => response.end(SET));
    servers[0]?.on('connection', () => (connections += 1));
    const place = { url: `${origin}:${port}/`, caBundle: tls.authority };
    const only = { ...limits(), mayDial: dialOnly(['127.0.0.0/8', '::/0']) };
    await expect(fetchKeySet(place, only)).rejects.toThrow(/is not a public address/);
    expect(connections).toBe(0);
  });

  test.each([
    ['8.8.8.8', true],
    ['2606:4700::1111', true],
    ['10.96.0.1', true],
    ['10.97.0.1', false],
    ['::ffff:10.97.0.1', false],
    ['192.168.1.1', false],
    ['172.31.0.1', false],
    ['172.32.0.1', true],
    ['100.64.0.1', false],
    ['169.254.169.254', false],
    ['::ffff:169.254.169.254', false],
    ['fd00:ec2::254', false],
    ['fe80::1', false],
    ['64:ff9b::a9fe:a9fe', false],
    ['2002:a9fe:a9fe::1', false],
    ['::', false],
    ['::1', false],
    ['0.0.0.0', false],
    ['224.0.0.1', false],
    ['255.255.255.255', false],
    ['localhost', false],
    ['', false],
  ])('%s: %p', (address, may) => {
    expect(dialOnly(['10.96.0.0/16'])(address)).toBe(may);
  });

  test('of our link are not dialled even where a network is listed', () => {
    expect(dialOnly(['169.254.0.0/16', '0.0.0.0/0'])('169.254.169.254')).toBe(false);
    expect(dialOnly(['0.0.0.0/0'])('10.0.0.1')).toBe(true);
  });
});

function flood(response: ServerResponse): void {
  response.writeHead(200);
  const more = (): void => {
    while (!response.destroyed && response.write(Buffer.alloc(64 * 1024, ' ')));
    if (!response.destroyed) response.once('drain', more);
  };
  more();
}

function breakOff(response: ServerResponse): void {
  response.writeHead(200, { 'content-length': '100' });
  response.write('{', () => response.destroy());
}
