import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test } from '@jest/globals';
import { acceptedIn, ask, objections, ofCargo, ofGo, ofNpm, type Locked } from './advisories.js';

const read = (file: string): string => readFileSync(file, 'utf8');
const servers: Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => server.close()));

/** A database that says `answer` of a question. */
async function database(
  answer: (queries: readonly { version: string }[]) => unknown,
  status = 200,
): Promise<string> {
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const { queries } = JSON.parse(body) as { queries: readonly { version: string }[] };
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer(queries)));
    });
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/querybatch`;
}

const crates = (count: number): readonly Locked[] =>
  Array.from({ length: count }, (_, index) => ({
    ecosystem: 'crates.io',
    name: `c${index}`,
    version: `1.0.${index}`,
  }));

test('every package of each lock file is looked up, with its version', () => {
  expect(ofNpm(read('package-lock.json'))).toContainEqual({
    ecosystem: 'npm',
    name: 'express',
    version: expect.stringMatching(/^5\./) as unknown as string,
  });
  expect(ofNpm('{"packages":{"":{},"node_modules/a/node_modules/@b/c":{"version":"1.2.3"}}}')).toEqual([
    { ecosystem: 'npm', name: '@b/c', version: '1.2.3' },
  ]);
  expect(ofNpm('{"packages":{"node_modules/alias":{"name":"real","version":"1.2.3"}}}')).toEqual([
    { ecosystem: 'npm', name: 'real', version: '1.2.3' },
  ]);
  const linked = ofCargo(read('Cargo.lock'));
  expect(linked.map(({ name }) => name)).toEqual(expect.arrayContaining(['h2', 'rustls', 'tokio']));
  expect(linked.map(({ name }) => name)).not.toContain('weft-proxy');
  expect(
    ofGo('module a\n\ngo 1.26\n\nrequire x.io/y v1.2.3\nrequire (\n\tgithub.com/a/b v0.1.0 // indirect\n)\n'),
  ).toEqual([
    { ecosystem: 'Go', name: 'x.io/y', version: '1.2.3' },
    { ecosystem: 'Go', name: 'github.com/a/b', version: '0.1.0' },
  ]);
});

test('advisories are told with what they concern, also behind the first thousand packages', async () => {
  const url = await database((queries) => ({
    results: queries.map(({ version }) => (version === '1.0.1500' ? { vulns: [{ id: 'RUSTSEC-1' }] } : {})),
  }));
  expect(await ask(url, crates(2000))).toEqual([{ id: 'RUSTSEC-1', of: crates(2000)[1500] }]);
});

test.each([
  ['refuses', () => ({}), 405, 'answers 405'],
  ['says nothing', () => ({}), 200, 'about 0 packages of 2'],
  [
    'has more to say',
    () => ({ results: [{}, { next_page_token: 'more' }] }),
    200,
    'more to say of a package than it says at once',
  ],
  ['leaves something out', () => ({ results: [{}] }), 200, 'about 1 packages of 2'],
])('a database that %s is no clean bill of health', async (_what, answer, status, why) => {
  await expect(ask(await database(answer, status), crates(2))).rejects.toThrow(why);
});

test('nor is one that cannot be reached', async () => {
  await expect(ask('http://127.0.0.1:1/v1/querybatch', crates(1))).rejects.toThrow();
});

test.each(['{"id":"A","because":"b"}', '{"id":"A","because":"b","until":"31.12.2026"}'])(
  'nothing is accepted without a day: %s',
  (one) => {
    expect(() => acceptedIn(`[${one}]`)).toThrow();
  },
);

test('what is accepted is so until its day, and only while it concerns something', () => {
  const [of] = crates(1);
  const found = [{ id: 'RUSTSEC-1', of: of! }];
  const word = { id: 'RUSTSEC-1', because: 'we do not call it', until: '2026-12-31' };
  expect(objections(found, [], '2026-12-01')).toEqual(['crates.io c0 1.0.0: https://osv.dev/RUSTSEC-1']);
  expect(objections(found, [word], '2026-12-31')).toEqual([]);
  expect(objections(found, [word], '2027-01-01').join()).toContain('until 2026-12-31 only');
  expect(objections([], [word], '2026-12-01').join()).toContain('no longer applies');
});
