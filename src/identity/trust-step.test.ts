import { beforeAll, expect, test } from '@jest/globals';
import { BUNDLE_TRAVELS_MS, createIssuer, createRoot, nextTrustStep, type CaMaterial } from './index.js';

const DAY = 86_400_000;
const now = Date.parse('2026-11-23T12:00:00Z');
let root: CaMaterial;
let issuer: CaMaterial;

beforeAll(async () => {
  root = await createRoot('a', now);
  issuer = await createIssuer(root, 'a', now);
});

const facts = (announcedAt?: number, roots = root.certificate) => ({
  certificate: issuer.certificate,
  roots,
  announcedAt,
});

test('a root, an issuer, nothing, and an issuer again at 60 % of its life', () => {
  expect(nextTrustStep(undefined, undefined, now)).toMatchObject({ kind: 'create-root' });
  expect(nextTrustStep(root.certificate, undefined, now)).toMatchObject({ kind: 'create-issuer' });
  const settled = nextTrustStep(root.certificate, facts(), now);
  expect(settled.kind).toBe('none');
  if (settled.kind === 'none') expect(Math.abs(settled.renewAt - (now + 0.6 * 365 * DAY))).toBeLessThan(DAY);
  expect(nextTrustStep(root.certificate, facts(), now + 0.59 * 365 * DAY)).toMatchObject({ kind: 'none' });
  expect(nextTrustStep(root.certificate, facts(), now + 0.61 * 365 * DAY)).toMatchObject({
    kind: 'create-issuer',
  });
});

test('a root is replaced while an issuer of it would still live a whole life, and again when it ended', () => {
  for (const days of [3_652 - 364, 4_000])
    expect(nextTrustStep(root.certificate, facts(), now + days * DAY)).toMatchObject({ kind: 'create-root' });
});

test('an issuer under another root waits until the new root was announced, and then for the bundle to travel', async () => {
  const next = await createRoot('a', now);
  const both = next.certificate + root.certificate;
  const step = (announcedAt?: number, roots?: string, at = now) =>
    nextTrustStep(next.certificate, facts(announcedAt, roots), at);
  expect(step()).toMatchObject({ kind: 'announce-root' });
  expect(step(now, both)).toEqual({ kind: 'none', renewAt: now + BUNDLE_TRAVELS_MS });
  expect(step(now, both, now + BUNDLE_TRAVELS_MS)).toMatchObject({ kind: 'create-issuer' });
  // Somebody put it there by hand, long ago for all we know.
  expect(step(undefined, both)).toMatchObject({ kind: 'create-issuer' });
  // Nothing is to be kept working.
  expect(step(undefined, undefined, now + 366 * DAY)).toMatchObject({ kind: 'create-issuer' });
});
