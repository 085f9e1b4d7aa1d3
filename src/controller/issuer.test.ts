import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createLogger, type Watched } from '../base/index.js';
import { createIssuer, createRoot, type CaMaterial, type IssuerMaterial } from '../identity/index.js';
import { Resources, Store, type Secret } from '../kube/index.js';
import { untilPasses } from '../testing/index.js';
import { followIssuer } from './issuer.js';

const TRAVEL_MS = 300;
let store: Store<Secret>;
let issuer: Watched<IssuerMaterial | undefined>;
let abort: AbortController;
let version = 0;
let shown: { chain: string; roots: string }[];

interface Ca {
  readonly root: CaMaterial;
  readonly issuer: CaMaterial;
}

beforeEach(() => {
  abort = new AbortController();
  store = new Store<Secret>((thrown) => {
    throw thrown;
  });
  const log = createLogger({ level: 'silent' });
  issuer = followIssuer({ view: { issuer: { store } }, log, travelMs: TRAVEL_MS }, abort.signal);
  shown = [];
  issuer.subscribe((material) => {
    if (material !== undefined) shown.push({ chain: material.chain, roots: material.roots });
  });
});

afterEach(() => abort.abort());

async function newCa(now = Date.now()): Promise<Ca> {
  const root = await createRoot('a', now);
  return { root, issuer: await createIssuer(root, 'a', now) };
}

function put({ issuer: { certificate, privateKey } }: Ca, roots: string): void {
  const data = { 'tls.crt': certificate, 'tls.key': privateKey, 'ca.crt': roots };
  const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  const metadata = { namespace: 'weft-system', name: 'weft-issuer', resourceVersion: `${++version}` };
  const raw = { metadata, data: Object.fromEntries(encoded) as object };
  store.set(Resources.secret.keep(raw));
}

const untilShown = (count: number): Promise<void> =>
  untilPasses(() => expect(shown.length).toBeGreaterThanOrEqual(count));

test('nobody is shown a chain before its root has been in the bundle for as long as bundles travel', async () => {
  const [before, after] = [await newCa(), await newCa()];
  put(before, before.root.certificate);
  await untilShown(1);
  put(after, after.root.certificate);
  await untilShown(2);
  const announcedAt = performance.now();
  const both = after.root.certificate + before.root.certificate;
  expect(shown[1]).toEqual({ chain: before.issuer.certificate, roots: both });
  await untilShown(3);
  expect(performance.now() - announcedAt).toBeGreaterThan(TRAVEL_MS * 0.9);
  // What the former issuer signed lives for a day yet.
  expect(shown[2]).toEqual({ chain: after.issuer.certificate, roots: both });
});

test('an issuer under a root that everybody trusts is used at once, and so are changed roots', async () => {
  const before = await newCa();
  const next = { ...before, issuer: await createIssuer(before.root, 'a', Date.now()) };
  const other = await newCa();
  put(before, before.root.certificate);
  await untilShown(1);
  put(next, before.root.certificate);
  await untilPasses(() => expect(shown.at(-1)?.chain).toBe(next.issuer.certificate));
  const both = other.root.certificate + before.root.certificate;
  put(next, both);
  await untilPasses(() => expect(shown.at(-1)).toEqual({ chain: next.issuer.certificate, roots: both }));
  put({ ...other }, both);
  await untilPasses(() => expect(shown.at(-1)?.chain).toBe(other.issuer.certificate), TRAVEL_MS * 0.9);
});

test('what is taken back while it waits is never used, and the Secret written again changes nothing', async () => {
  const [before, after] = [await newCa(), await newCa()];
  put(before, before.root.certificate);
  await untilShown(1);
  put(after, after.root.certificate);
  await untilShown(2);
  put(after, after.root.certificate);
  put(before, before.root.certificate);
  await untilPasses(() => expect(shown.at(-1)?.roots).toBe(before.root.certificate));
  await new Promise((resolve) => setTimeout(resolve, TRAVEL_MS * 1.5));
  expect(shown.map(({ chain }) => chain)).not.toContain(after.issuer.certificate);
});

test('an issuer that has ended is not waited for, and one that cannot be read leaves the last one in use', async () => {
  const [ended, after] = [await newCa(Date.now() - 400 * 86_400_000), await newCa()];
  put(ended, ended.root.certificate);
  await untilShown(1);
  put(after, after.root.certificate);
  await untilPasses(() => expect(shown[1]?.chain).toBe(after.issuer.certificate));
  put({ ...after, issuer: { ...after.issuer, certificate: 'garbage' } }, after.root.certificate);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(issuer.current?.chain).toBe(after.issuer.certificate);
});
