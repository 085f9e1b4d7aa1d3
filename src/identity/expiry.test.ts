import { expect, test } from '@jest/globals';
import { Metrics, watched } from '../base/index.js';
import { testCa } from '../testing/test-ca.js';
import { watchExpiry } from './expiry.js';
import type { IssuerMaterial } from './index.js';
import { issueCertificate } from './own-certificate.js';

test('the end of root, issuer and own certificates is a gauge each, from the moment they are known', async () => {
  const metrics = new Metrics();
  const issuer = watched<IssuerMaterial | undefined>(undefined);
  const ca = await testCa();
  const own = await issueCertificate(ca.issuer, { dns: ['weft'] }, Date.now());
  watchExpiry(metrics, { issuer, serving: () => own, webhook: () => undefined });
  const left = async (role: string): Promise<number> =>
    Number(new RegExp(`expiry_seconds\\{role="${role}"\\} ([-\\d.]+)`).exec(await metrics.text())?.[1]);
  expect(await left('root')).toBeNaN();
  issuer.set(ca.issuer);
  const day = 24 * 3_600;
  expect(await left('serving')).toBeCloseTo(day, -2);
  expect(await left('issuer')).toBeGreaterThan(0);
  expect(await left('root')).toBeGreaterThanOrEqual(await left('issuer'));
  expect(await left('webhook')).toBeNaN();
});
