import { X509Certificate } from 'node:crypto';
import { chmod, mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { certificateBlocks } from '../base/index.js';
import { nextTrustStep } from '../identity/index.js';
import { ClusterFixture } from './cluster.fixture.js';
import { bringOfflineIssuer, type OfflineOptions } from './offline-root.js';

const SECRETS = '/api/v1/secrets';
const NAMESPACE = 'weft-system';
const DAY_MS = 24 * 3_600_000;
const NOW = Date.now();

let cluster: ClusterFixture;
let folder: string;

beforeEach(async () => {
  cluster = await ClusterFixture.start();
  folder = join(await mkdtemp(join(tmpdir(), 'weft-')), 'root');
});

afterEach(() => cluster.stop());

const bring = (over: Partial<OfflineOptions> = {}): Promise<string> =>
  bringOfflineIssuer({
    client: cluster.client,
    systemNamespace: NAMESPACE,
    folder,
    days: 365,
    dryRun: false,
    forgetRoots: false,
    now: NOW,
    ...over,
  });

const file = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');

function issuer(): {
  readonly labels: unknown;
  readonly certificate: X509Certificate;
  readonly roots: string;
  readonly all: string;
} {
  const secret = cluster.server.get(SECRETS, { namespace: NAMESPACE, name: 'weft-issuer' });
  const data = (secret?.['data'] ?? {}) as Record<string, string>;
  const text = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString();
  return {
    labels: secret?.metadata['labels'],
    certificate: new X509Certificate(text('tls.crt')),
    roots: text('ca.crt'),
    all: Object.keys(data).map(text).join('\n'),
  };
}

test('a root is made once, for its owner alone, and only its certificate and an issuer go into the cluster', async () => {
  const said = await bring({ days: 730 });
  const [key, root] = [await file('root.key'), new X509Certificate(await file('root.crt'))];
  expect((await stat(join(folder, 'root.key'))).mode & 0o777).toBe(0o600);
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  const { certificate, roots, all, labels } = issuer();
  expect(certificate.verify(root.publicKey)).toBe(true);
  expect(roots).toBe(await file('root.crt'));
  expect(labels).toMatchObject({ 'app.kubernetes.io/managed-by': 'import' });
  expect(Math.round((Date.parse(certificate.validTo) - NOW) / DAY_MS)).toBe(730);
  // Nothing of the key is printed, sent, or beside it.
  const secretLine = key.split('\n')[1] ?? '';
  expect(secretLine.length).toBeGreaterThan(40);
  const sent = JSON.stringify(cluster.server.requests);
  expect(sent).not.toContain(secretLine);
  expect(sent).not.toContain(Buffer.from(key).toString('base64').slice(60, 160));
  expect(all).not.toContain(secretLine);
  expect(said).not.toContain(secretLine);
  expect(said).toMatch(/^Made "CN=Offline root of the mesh"/);
  expect(await readdir(folder)).toHaveLength(2);
});

test('the same again renews the issuer under the same root', async () => {
  await bring();
  const [key, first] = [await file('root.key'), issuer()];
  const said = await bring({ now: NOW + 300 * DAY_MS });
  const second = issuer();
  expect(said).toMatch(/^Uses /);
  expect(await file('root.key')).toBe(key);
  expect(second.roots).toBe(first.roots);
  expect(Date.parse(second.certificate.validTo)).toBeGreaterThan(Date.parse(first.certificate.validTo));
  expect(second.certificate.publicKey.equals(first.certificate.publicKey)).toBe(false);
});

test('the leader takes it for what it did not make, also where its own root is there still, and says which to delete', async () => {
  await cluster.install();
  const secret = cluster.server.get(SECRETS, { namespace: NAMESPACE, name: 'weft-root' });
  const online = Buffer.from(
    (secret?.['data'] as Record<string, string>)['tls.crt'] ?? '',
    'base64',
  ).toString();
  expect(await bring()).toMatch(
    /Secret weft-system\/weft-root still holds the key of the former root.*--forget-roots/,
  );
  const { certificate, roots } = issuer();
  expect(certificateBlocks(roots)).toHaveLength(2);
  const facts = { certificate: certificate.toString(), roots, announcedAt: undefined };
  expect(nextTrustStep(online, facts, NOW)).toMatchObject({ kind: 'foreign', problem: undefined });
  expect(await bring({ dryRun: true })).not.toContain('weft-root');
  const forgotten = await bring({ forgetRoots: true });
  expect(forgotten).toMatch(
    /no longer trusted; delete it: kubectl delete secret weft-root --namespace weft-system$/,
  );
  expect(forgotten).not.toContain('a day from now');
  expect(issuer().roots).toBe(await file('root.crt'));
});

test('a root that is incomplete, open to others or not one is neither used nor replaced', async () => {
  await bring();
  await chmod(join(folder, 'root.key'), 0o640);
  await expect(bring()).rejects.toThrow(/root\.key can be read by others: chmod 600/);
  await chmod(join(folder, 'root.key'), 0o600);
  await rm(join(folder, 'root.crt'));
  const key = await file('root.key');
  await expect(bring()).rejects.toThrow(/holds root\.key and no root\.crt: restore that/);
  expect(await file('root.key')).toBe(key);
  // As what was cut short between the two files is gone on with.
  await expect(bring()).rejects.toThrow(/making it was cut short, delete root\.key and run this again$/);
  await rm(join(folder, 'root.key'));
  expect(await bring()).toMatch(/^Made /);
});

test('a dry run makes nothing, neither here nor there', async () => {
  expect(await bring({ dryRun: true })).toMatch(/^Would make a root/);
  await expect(readdir(folder)).rejects.toThrow(/ENOENT/);
  await bring();
  const before = issuer().all;
  expect(await bring({ dryRun: true })).toMatch(/Nothing was changed/);
  expect(issuer().all).toBe(before);
});

test.each([7, 731])('an issuer of %d days is refused before anything is made', async (days) => {
  await expect(bring({ days })).rejects.toThrow(/valid for 8 to 730 days/);
  await expect(readdir(folder)).rejects.toThrow(/ENOENT/);
});
