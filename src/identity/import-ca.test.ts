import { X509Certificate } from 'node:crypto';
import { beforeAll, expect, test } from '@jest/globals';
import { FIT_BUNDLES, makeCaBundles, UNFIT_BUNDLES, type CaBundles } from '../testing/ca-bundles.js';
import { importCa, type BroughtCa } from './import-ca.js';
import { issueCertificate, parseIssuer } from './index.js';

let made: CaBundles;
let now: number;

beforeAll(async () => {
  made = await makeCaBundles();
  now = Date.now();
}, 60_000);

const importing = (brought: BroughtCa, at = now) => importCa(brought, 'Secret weft-system/corp', at);

test.each(FIT_BUNDLES)('%s becomes what the authority signs with', async (_what, brought) => {
  const secret = await importing(brought(made));
  const issuer = await parseIssuer(secret, 'the Secret');
  const leaf = await issueCertificate(issuer, { uri: 'spiffe://a/ns/b/sa/c' }, now);
  expect(new X509Certificate(leaf.chain).verify(new X509Certificate(made.text('ca.crt')).publicKey)).toBe(
    true,
  );
  const root = new X509Certificate(made.text('root.crt')).fingerprint256;
  expect(new X509Certificate(secret['ca.crt']).fingerprint256).toBe(root);
});

test.each(UNFIT_BUNDLES)('%s is refused, by name', async (_what, brought, message) => {
  await expect(importing(brought(made))).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringMatching(message),
  });
});

test('what has ended, or has not begun, is refused with its date, and everything that is wrong is said at once', async () => {
  const day = 86_400_000;
  await expect(importing(made.pem('ca'), now + 400 * day)).rejects.toThrow(/"O=Corp, CN=ca" expired at 20/);
  await expect(importing(made.pem('ca'), now - 2 * day)).rejects.toThrow(
    /"O=Corp, CN=ca" is not valid before 20/,
  );
  await expect(importing(made.pem('leaf'), now + 400 * day)).rejects.toThrow(
    /is not a CA .*; "O=Corp, CN=leaf" expired/,
  );
});
