import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from '@jest/globals';
import type { KeySet, MeshTables } from '../../model/index.js';
import { toJwtIssuer } from '../../model/index.js';
import { aMesh } from '../../testing/mesh.js';
import { KeySetKeeper, MAX_STALE_MS, REFRESH_MS } from './key-set-keeper.js';

const UID = 'uid-of-id';
const URL = 'https://id.example/keys';
const A = keySet('a');
const B = keySet('b');

function keySet(kid: string): string {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid }] });
}

function issuer(url: string | undefined, generation = 1) {
  return toJwtIssuer({
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'JwtIssuer',
    metadata: { namespace: 'shop', name: 'id', uid: UID, generation },
    spec: {
      issuer: 'https://id.example',
      audiences: ['shop'],
      jwks: url === undefined ? { inline: A } : { url },
    },
  }).issuer!;
}

/** A keeper whose time and servers the test plays. */
class Stage {
  readonly mesh: MeshTables = aMesh();
  readonly keeper: KeySetKeeper;
  readonly asked: string[] = [];
  now = 1_000_000;
  answer: string | Error = A;

  constructor(recorded: ReadonlyMap<string, KeySet> = new Map()) {
    this.mesh.jwtIssuers.set(issuer(URL));
    this.keeper = new KeySetKeeper({
      mesh: this.mesh,
      clock: { now: () => this.now, monotonic: () => this.now },
      fetch: ({ url }) => {
        this.asked.push(url);
        return this.answer instanceof Error ? Promise.reject(this.answer) : Promise.resolve(this.answer);
      },
      recorded,
    });
  }

  async refresh(): Promise<number | undefined> {
    return await this.keeper.refresh(UID, new AbortController().signal);
  }

  get set(): KeySet | undefined {
    return this.keeper.toRecord().get(UID);
  }

  get ids(): readonly string[] | undefined {
    return this.set?.keys?.map(({ id }) => id);
  }
}

test('keys are fetched again after a while, and those that are gone there are gone', async () => {
  const stage = new Stage();
  const again = await stage.refresh();
  expect([stage.ids, stage.set?.failure]).toEqual([['a'], undefined]);
  expect(again).toBeGreaterThanOrEqual(REFRESH_MS / 2);
  expect(again).toBeLessThanOrEqual(REFRESH_MS);
  stage.answer = B;
  await stage.refresh();
  expect(stage.ids).toEqual(['b']);
  stage.answer = '{"keys":[]}';
  await stage.refresh();
  expect([stage.ids, stage.set?.failure]).toEqual([undefined, 'what is there has no key that can be used']);
  stage.answer = new Error('no');
  await stage.refresh();
  expect(stage.ids).toBeUndefined();
});

test('what was fetched stays for a day where it cannot be fetched again, and says so', async () => {
  const stage = new Stage();
  await stage.refresh();
  const fetchedAt = stage.now;
  stage.answer = new Error('it is away');
  stage.now += MAX_STALE_MS - 1;
  expect(await stage.refresh()).toBeLessThanOrEqual(5_000);
  expect(stage.set).toMatchObject({ failure: 'it is away', fetchedAt });
  expect(stage.ids).toEqual(['a']);
  expect(await stage.refresh()).toBeGreaterThanOrEqual(5_000);
  stage.now += 1;
  await stage.refresh();
  expect(stage.set).toEqual({ url: URL, failure: 'it is away' });
  stage.answer = A;
  await stage.refresh();
  expect([stage.ids, stage.set?.failure]).toEqual([['a'], undefined]);
});

test('what is there and is no key set counts as not fetched', async () => {
  const stage = new Stage();
  await stage.refresh();
  stage.answer = '<html>';
  await stage.refresh();
  expect(stage.ids).toEqual(['a']);
  expect(stage.set?.failure).toMatch(/^what is there is not a JSON Web Key Set/);
});

test('a process takes up what one before it recorded, and no keys from another place', async () => {
  const before = new Stage();
  await before.refresh();
  const recorded = before.keeper.toRecord();
  const after = new Stage(recorded);
  after.answer = new Error('it is away');
  after.now = before.now + MAX_STALE_MS / 2;
  await after.refresh();
  expect(after.ids).toEqual(['a']);
  after.mesh.jwtIssuers.set(issuer('https://else.example/', 2));
  await after.refresh();
  expect(after.set).toEqual({ url: 'https://else.example/', failure: 'it is away' });
});

test('while nothing changes the record is the same, but for its age once an hour', async () => {
  const stage = new Stage();
  await stage.refresh();
  const first = stage.set;
  stage.now += 59 * 60_000;
  await stage.refresh();
  expect(stage.set).toBe(first);
  stage.now += 2 * 60_000;
  await stage.refresh();
  expect(stage.set).toEqual({ ...first, fetchedAt: stage.now });
});

test('an issuer is due when it comes and when its keys move, and forgotten when it fetches none', async () => {
  const stage = new Stage();
  const dirty = new Set(['access/shop' as const]);
  expect(stage.keeper.uids()).toEqual([UID]);
  expect(stage.keeper.moved(dirty)).toEqual([UID]);
  await stage.refresh();
  expect(stage.keeper.moved(dirty)).toEqual([]);
  stage.mesh.jwtIssuers.set(issuer('https://else.example/', 2));
  expect(stage.keeper.moved(new Set(['access/other' as const]))).toEqual([]);
  expect(stage.keeper.moved(dirty)).toEqual([UID]);
  stage.mesh.jwtIssuers.set(issuer(undefined, 3));
  expect(stage.keeper.moved(dirty)).toEqual([]);
  expect(await stage.refresh()).toBeUndefined();
  expect([stage.set, stage.asked]).toEqual([undefined, [URL]]);
});
