import { afterEach, expect, test } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import { createLogger, watched } from '../base/index.js';
import { eventually } from '../testing/eventually.js';
import { testCa } from '../testing/test-ca.js';
import {
  controlPlaneName,
  keepOwnCertificate,
  webhookName,
  type IssuerMaterial,
  type OwnCertificate,
} from './index.js';

const log = createLogger({ level: 'silent' });
const stop: AbortController[] = [];
afterEach(() => stop.splice(0).forEach((controller) => controller.abort()));

function signal(): AbortSignal {
  const controller = new AbortController();
  stop.push(controller);
  return controller.signal;
}

test("holds the control plane's name and nothing else; the webhook's holds host names", async () => {
  const { issuer } = await testCa();
  const own = await keepOwnCertificate(
    {
      issuer: watched<IssuerMaterial | undefined>(issuer),
      name: controlPlaneName('cluster.local', 'mesh'),
      log,
    },
    signal(),
  );
  expect(new X509Certificate(own.current.chain).subjectAltName).toBe(
    'URI:spiffe://cluster.local/ns/mesh/sa/weft',
  );
  const webhook = await keepOwnCertificate(
    { issuer: watched<IssuerMaterial | undefined>(issuer), name: webhookName('default', 'mesh'), log },
    signal(),
  );
  expect(new X509Certificate(webhook.current.chain).subjectAltName).toBe('DNS:weft-default.mesh.svc');
  expect(new X509Certificate(webhook.current.chain).checkHost('weft-default.mesh.svc')).toBeDefined();
});

test('waits for the first issuer', async () => {
  const issuer = watched<IssuerMaterial | undefined>(undefined);
  const own = keepOwnCertificate({ issuer, name: controlPlaneName('cluster.local', 'mesh'), log }, signal());
  issuer.set((await testCa()).issuer);
  expect((await own).current.chain).toContain('BEGIN CERTIFICATE');
});

test('is issued anew at once when the issuer changes, with the new roots', async () => {
  const issuer = watched<IssuerMaterial | undefined>((await testCa()).issuer);
  const own = await keepOwnCertificate(
    { issuer, name: controlPlaneName('cluster.local', 'mesh'), log },
    signal(),
  );
  const seen: OwnCertificate[] = [];
  own.subscribe((certificate) => seen.push(certificate));
  const next = await testCa();
  issuer.set(next.issuer);
  await eventually('a new certificate', () => seen.length === 1);
  expect(seen[0]!.roots).toBe(next.roots);
  expect(new X509Certificate(seen[0]!.chain).checkIssued(new X509Certificate(next.issuer.chain))).toBe(true);
});

test('is renewed when half of what was left at its issue is over, and not more often than once a second', async () => {
  const yearMs = 365 * 86_400_000;
  const { issuer } = await testCa('cluster.local', Date.now() - yearMs + 4_000);
  const options = {
    issuer: watched<IssuerMaterial | undefined>(issuer),
    name: controlPlaneName('cluster.local', 'mesh'),
    log,
  };
  const begun = performance.now();
  const own = await keepOwnCertificate({ ...options, random: () => 0 }, signal());
  const renewals: number[] = [];
  own.subscribe(() => renewals.push(performance.now() - begun));
  await eventually('two renewals', () => renewals.length === 2, 6_000);
  expect(renewals[0]).toBeGreaterThan(1_000);
  expect(renewals[0]).toBeLessThan(3_000);
  expect(renewals[1]! - renewals[0]!).toBeGreaterThan(900);
});
