import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, load, namespace } from '../support/app.js';
import { replicas } from '../support/replicas.js';
import { apply, eventually, get, kubectl, run } from '../support/run.js';
import { weft } from '../support/weft.js';
import { underTraffic } from '../support/traffic.js';
import { shellBytes } from '../../src/testing/openssl.js';

// `weft identity import` on a mesh that works: a CA under a root that nobody knows, then its successor. No call fails.

const NS = 'e2e-import';
const SYSTEM = 'weft-system';
const URL = 'http://server:8080/';
const DAY_SECONDS = 86_400;

/** The days until each of the two ends tell which of them is in use; those of Weft itself have a year. */
const CA_DAYS = { first: 2_000, second: 3_000 } as const;
const CA = 'basicConstraints=critical,CA:TRUE,pathlen:0\\nkeyUsage=critical,keyCertSign,cRLSign';
const KEY = 'openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out';
const SCRIPT = [
  `${KEY} root.key; openssl req -x509 -new -key root.key -days 3650 -subj "/O=Corp/CN=Root" -out root.crt`,
  `printf '${CA}' > ca.ext`,
  ...Object.entries(CA_DAYS).map(
    ([name, days]) =>
      `${KEY} ${name}.key; openssl req -new -key ${name}.key -subj "/O=Corp/CN=${name}" -out ${name}.csr
       openssl x509 -req -in ${name}.csr -CA root.crt -CAkey root.key -days ${days} -extfile ca.ext -out ${name}.crt`,
  ),
  'openssl pkcs12 -export -in second.crt -inkey second.key -certfile root.crt -passout pass:secret -out second.p12',
].join('\n');

const CALLERS = [[], ['-fresh']].map((how) => ({
  namespace: NS,
  target: 'deploy/client',
  flags: ['-url', URL, '-rate', '20', ...how],
}));

interface Secret {
  readonly metadata: { readonly labels?: object; readonly annotations?: object };
  readonly type: string;
  readonly data: Readonly<Record<string, string>>;
}

let files: Record<string, Buffer>;
/** What signed before, to be put back. */
let former: Secret;

beforeAll(async () => {
  files = await shellBytes(SCRIPT, ['root.crt', 'first.crt', 'first.key', 'second.p12']);
  former = await get<Secret>('secret', 'weft-issuer', '-n', SYSTEM);
  await replicas();
  await apply(namespace(NS));
  await deploy({ namespace: NS, name: 'server', replicas: 2 }, { namespace: NS, name: 'client' });
});

afterAll(async () => {
  const { labels, annotations } = former.metadata;
  const metadata = { name: 'weft-issuer', namespace: SYSTEM, labels, annotations };
  const { type, data } = former;
  const manifest = { apiVersion: 'v1', kind: 'Secret', metadata, type, data };
  await run('kubectl', ['replace', '-f', '-'], { input: JSON.stringify(manifest) });
  await kubectl('delete', 'secret', 'corporate-ca', '-n', SYSTEM, '--ignore-not-found');
  await kubectl('delete', 'namespace', NS, '--wait=false');
  // Its root is trusted still, so it is in use at once.
  await signsFor((days) => days < 400, 60);
});

/** Brings a CA, as docs/operations.md says. */
async function importCa(data: Readonly<Record<string, Uint8Array>>): Promise<void> {
  const encoded = Object.entries(data).map(([key, bytes]) => [key, Buffer.from(bytes).toString('base64')]);
  await apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'corporate-ca', namespace: SYSTEM },
    data: Object.fromEntries(encoded) as object,
  });
  const said = await weft('identity', 'import', 'corporate-ca');
  expect(said).toMatch(/Signs with .*Corp/);
}

/** Waits until every replica signs with a CA that has so many days left. */
async function signsFor(isIt: (days: number) => boolean, seconds: number): Promise<void> {
  await eventually(
    'every replica signs with it',
    async () => {
      const left = await Promise.all((await replicas()).map(({ name }) => issuerDays(name)));
      if (!left.every(isIt)) throw new Error(`the issuers end in ${left.join(' and ')} days`);
      return true;
    },
    seconds,
  );
}

async function issuerDays(replica: string): Promise<number> {
  const path = `/api/v1/namespaces/${SYSTEM}/pods/${replica}:9090/proxy/metrics`;
  const text = await kubectl('get', '--raw', path);
  const seconds = /^weft_certificate_expiry_seconds\{role="issuer"\} (\S+)$/m.exec(text)?.[1];
  return Number(seconds) / DAY_SECONDS;
}

const isAbout =
  (days: number) =>
  (left: number): boolean =>
    Math.abs(left - days) < 2;

/** A pod of now has a certificate of now: it calls pods that have older ones, and is called by them. */
async function expectNewPod(name: string): Promise<void> {
  await deploy({ namespace: NS, name });
  for (const [caller, callee] of [
    [name, 'server'],
    ['client', name],
  ]) {
    const report = await load(NS, `deploy/${caller}`, '-url', `http://${callee}:8080/`, '-count', '20');
    expect([caller, report.failures, report.requests]).toEqual([caller, {}, 20]);
  }
}

test('a CA in PEM signs once its root, new to all, has reached everybody, and no call fails', async () => {
  await underTraffic(CALLERS, async () => {
    await importCa({
      'tls.crt': files['first.crt']!,
      'tls.key': files['first.key']!,
      'ca.crt': files['root.crt']!,
    });
    await eventually(
      'its root is trusted in the namespace, and the former one still is',
      async () => {
        const { data } = await get<Secret>('configmap', 'weft-trust', '-n', NS);
        const bundle = Object.values(data).join('').replaceAll(/\s/g, '');
        const root = files['root.crt']!.toString().replaceAll(/\s/g, '');
        return bundle.includes(root) && bundle.split('BEGIN').length > 2;
      },
      240,
    );
    await signsFor(isAbout(CA_DAYS.first), 420);
    await expectNewPod('later');
  });
}, 720_000);

test('its successor in PKCS#12, under the same root, signs at once, and no call fails', async () => {
  await underTraffic(CALLERS, async () => {
    await importCa({ 'ca.p12': files['second.p12']!, password: Buffer.from('secret\n') });
    await signsFor(isAbout(CA_DAYS.second), 90);
    await expectNewPod('latest');
  });
}, 300_000);
