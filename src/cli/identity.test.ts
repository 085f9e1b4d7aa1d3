import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { shellBytes } from '../testing/openssl.js';
import { ClusterFixture } from './cluster.fixture.js';
import { importIdentity } from './identity.js';

const SECRETS = '/api/v1/secrets';
const NAMESPACE = 'weft-system';
const SCRIPT = [
  'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -subj "/CN=Corporate CA" -days 365 -out ca.crt 2>/dev/null',
  'openssl pkcs12 -export -in ca.crt -inkey ca.key -passout pass:secret -out ca.p12',
].join('\n');

let cluster: ClusterFixture;

beforeEach(async () => {
  cluster = await ClusterFixture.start();
});

afterEach(() => cluster.stop());

function issuerSecret(): Record<string, string> | undefined {
  const data = cluster.server.get(SECRETS, { namespace: NAMESPACE, name: 'weft-issuer' })?.data;
  return data as Record<string, string> | undefined;
}

async function importing(
  flags: { dryRun?: boolean; forgetRoots?: boolean; secret?: string } = {},
): Promise<string> {
  const { dryRun = false, forgetRoots = false, secret = 'corp' } = flags;
  return importIdentity({ client: cluster.client, systemNamespace: NAMESPACE, secret, dryRun, forgetRoots });
}

test('a PKCS#12 file in a Secret becomes the issuer; the roots of before stay trusted until they are to be forgotten', async () => {
  await cluster.install();
  const former = Buffer.from(issuerSecret()!['ca.crt']!, 'base64').toString();
  const files = await shellBytes(SCRIPT, ['ca.p12', 'ca.crt']);
  cluster.server.put(SECRETS, {
    metadata: { namespace: NAMESPACE, name: 'corp' },
    data: {
      'ca.p12': files['ca.p12']!.toString('base64'),
      password: Buffer.from('secret\n').toString('base64'),
    },
  });
  const before = issuerSecret();
  expect(await importing({ dryRun: true })).toMatch(
    /^Would sign with "CN=Corporate CA", valid until .*Nothing was changed/s,
  );
  expect(issuerSecret()).toEqual(before);
  const said = await importing();
  expect(said.match(/^Trusts "/gm)).toHaveLength(2);
  const bundle = (): string => Buffer.from(issuerSecret()!['ca.crt']!, 'base64').toString();
  expect(bundle()).toBe(files['ca.crt']!.toString() + former);
  await importing({ forgetRoots: true });
  expect(bundle()).toBe(files['ca.crt']!.toString());
});

test.each([
  ['nowhere', /Secret weft-system\/nowhere does not exist/],
  ['empty', /Secret weft-system\/empty holds neither ca\.p12 or keystore\.p12 nor tls\.crt with tls\.key/],
])('a Secret that has nothing to import is named: %s', async (secret, message) => {
  cluster.server.put(SECRETS, { metadata: { namespace: NAMESPACE, name: 'empty' } });
  await expect(importing({ secret })).rejects.toThrow(message);
});
