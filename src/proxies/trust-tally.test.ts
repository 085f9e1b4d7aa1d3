import { afterEach, expect, test } from '@jest/globals';
import { memberNumber, memberSum } from '../base/index.js';
import { keyIdOf } from '../identity/index.js';
import { WEB, WORKLOAD, connect, endAll, next, startConfig } from '../testing/config-server.js';
import { untilPasses } from '../testing/index.js';
import { TrustTally } from './trust-tally.js';

afterEach(endAll);

const NEW = 'a'.repeat(64);
const OLD = 'b'.repeat(64);
const sumOf = (...uids: string[]) => memberSum(uids.map(memberNumber));

test('over streams of the port: what a proxy says of its roots counts, and what signed its certificate is proven', async () => {
  const tally = new TrustTally();
  const running = await startConfig({ tally });
  const issuer = keyIdOf(running.ca.issuer.chain);
  const stream = await connect(running, WEB);
  const clientFeatures = [`dev.weft.root.${OLD}`, `dev.weft.root.${NEW}`];
  stream.send({
    node: { id: 'web-1', clientFeatures },
    typeUrl: WORKLOAD,
    resourceNamesSubscribe: ['web-1'],
  });
  await next(stream);
  expect(tally.standing({ roots: [NEW, OLD], issuer })).toEqual({
    roots: [NEW, OLD],
    issuer,
    proxies: sumOf('web-1'),
    trusting: sumOf('web-1'),
    certified: sumOf('web-1'),
    lacking: 0,
    uncertified: 0,
    silent: 0,
    holding: 0,
    behind: [],
  });
  expect(tally.standing({ roots: [NEW], issuer: OLD })).toMatchObject({
    certified: sumOf(),
    uncertified: 1,
    holding: 1,
    behind: [
      { pod: 'shop/web-1', lacks: 'certificate' },
      { pod: 'shop/web-1', lacks: 'removal' },
    ],
  });
  running.stop.abort();
  await untilPasses(() => expect(tally.standing({ roots: [NEW], issuer }).proxies).toEqual(sumOf()));
});

test('a pod counts once, by its newest stream; one that has ended is in no sum, and one that lacks the root is named', () => {
  const running = new Set(['a', 'b', 'c']);
  const tally = new TrustTally(({ uid }) => running.has(uid));
  const of = { roots: [NEW], issuer: NEW };
  const enter = (uid: string, roots: readonly string[]): AbortController => {
    const stream = new AbortController();
    tally.enter({ uid, pod: `shop/${uid}`, roots, issuer: NEW }, stream.signal);
    return stream;
  };
  const first = enter('a', [OLD]);
  enter('a', [NEW]);
  first.abort();
  enter('b', [OLD]);
  enter('c', []);
  expect(tally.standing(of)).toMatchObject({
    proxies: sumOf('a', 'b', 'c'),
    trusting: sumOf('a'),
    lacking: 1,
    silent: 1,
    behind: [
      { pod: 'shop/b', lacks: 'root' },
      { pod: 'shop/b', lacks: 'removal' },
    ],
  });
  running.delete('b');
  tally.changed();
  expect(tally.standing(of)).toMatchObject({ proxies: sumOf('a', 'c'), lacking: 1 });
});
