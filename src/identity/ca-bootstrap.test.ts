import { describe, expect, test } from '@jest/globals';
import { openssl } from '../testing/openssl.js';
import {
  createIssuer,
  createRoot,
  issueCertificate,
  mergeBundle,
  nextTrustStep,
  parseIssuer,
} from './index.js';
import { renewAt } from './ca-bootstrap.js';

const DAY = 86_400_000;
const now = Date.parse('2026-11-23T12:00:00Z');

describe('root and issuer', () => {
  test('form a chain that openssl accepts, of ten years and one', async () => {
    const root = await createRoot('cluster.local', Date.now());
    const issuer = await createIssuer(root, 'cluster.local', Date.now());
    const files = { 'root.pem': root.certificate, 'issuer.pem': issuer.certificate };
    expect(
      (await openssl(['verify', '-x509_strict', '-CAfile', 'root.pem', 'issuer.pem'], files)).output,
    ).toBe('issuer.pem: OK\n');
    const { output } = await openssl(['x509', '-in', 'issuer.pem', '-noout', '-text'], files);
    expect(output).toMatch(/X509v3 Basic Constraints: critical\s+CA:TRUE, pathlen:0/);
    expect(output).toMatch(/X509v3 Key Usage: critical\s+Certificate Sign, CRL Sign/);
    expect(
      (await openssl(['x509', '-in', 'issuer.pem', '-noout', '-checkend', String(364 * 86_400)], files)).code,
    ).toBe(0);
    expect(
      (await openssl(['x509', '-in', 'issuer.pem', '-noout', '-checkend', String(366 * 86_400)], files)).code,
    ).toBe(1);
    expect(
      (await openssl(['x509', '-in', 'root.pem', '-noout', '-checkend', String(3_650 * 86_400)], files)).code,
    ).toBe(0);
  });

  test('an issuer cannot make another CA: openssl refuses what it signs', async () => {
    const root = await createRoot('cluster.local', Date.now());
    const issuer = await createIssuer(root, 'cluster.local', Date.now());
    const below = await createIssuer(issuer, 'another', Date.now());
    const secret = {
      'tls.crt': below.certificate,
      'tls.key': below.privateKey,
      'ca.crt': issuer.certificate,
    };
    const leaf = await issueCertificate(
      await parseIssuer(secret, 'below'),
      { uri: 'spiffe://a/ns/b/sa/c' },
      Date.now(),
    );
    const files = {
      'root.pem': root.certificate,
      'between.pem': issuer.certificate + below.certificate,
      'leaf.pem': leaf.chain,
    };
    const args = ['verify', '-CAfile', 'root.pem', '-untrusted', 'between.pem', 'leaf.pem'];
    const { output } = await openssl(args, files);
    expect(output).toContain('path length constraint exceeded');
  });
});

describe("the issuer's Secret", () => {
  async function material() {
    const root = await createRoot('cluster.local', now);
    const issuer = await createIssuer(root, 'cluster.local', now);
    return {
      root,
      secret: { 'tls.crt': issuer.certificate, 'tls.key': issuer.privateKey, 'ca.crt': root.certificate },
    };
  }

  test('is read with all its roots', async () => {
    const { secret } = await material();
    const other = await createRoot('cluster.local', now);
    const parsed = await parseIssuer(
      { ...secret, 'ca.crt': other.certificate + secret['ca.crt'] },
      'Secret x',
    );
    expect(parsed.chain).toBe(secret['tls.crt']);
    expect(parsed.roots).toContain(other.certificate);
  });

  test('with a key of another certificate is refused, and the Secret is named', async () => {
    const [a, b] = await Promise.all([material(), material()]);
    await expect(
      parseIssuer({ ...a.secret, 'tls.key': b.secret['tls.key'] }, 'Secret weft-system/weft-issuer'),
    ).rejects.toThrow(/Secret weft-system\/weft-issuer.*private key does not belong/);
  });

  test('with the roots of another CA is refused', async () => {
    const [a, b] = await Promise.all([material(), material()]);
    await expect(parseIssuer({ ...a.secret, 'ca.crt': b.secret['ca.crt'] }, 'Secret x')).rejects.toThrow(
      /ca\.crt/,
    );
  });

  test.each(['tls.crt', 'tls.key'] as const)('without %s is refused', async (field) => {
    const { secret } = await material();
    await expect(parseIssuer({ ...secret, [field]: '' }, 'Secret x')).rejects.toThrow(/Secret x, .*PEM/);
  });
});

describe('the trust bundle', () => {
  test('holds both roots while one replaces the other, each once, and drops what has ended', async () => {
    const [older, newer, ended] = await Promise.all([
      createRoot('a', now - 100 * DAY),
      createRoot('a', now),
      createRoot('a', now - 4_000 * DAY),
    ]);
    const bundle = mergeBundle(
      [older.certificate, ended.certificate + newer.certificate, older.certificate],
      now,
    );
    expect(bundle).toBe(older.certificate + newer.certificate);
  });
});

describe('renewal', () => {
  test('falls between 50 and 70 % of life', () => {
    const [start, end] = [new Date(now), new Date(now + 100)];
    expect([0, 0.5, 1].map((r) => renewAt(start, end, () => r) - now)).toEqual([50, 60, 70]);
  });

  test('is decided step by step: root, issuer, nothing, issuer again', async () => {
    expect(nextTrustStep(undefined, undefined, now)).toMatchObject({ kind: 'create-root' });
    const root = await createRoot('a', now);
    expect(nextTrustStep(root.certificate, undefined, now)).toMatchObject({ kind: 'create-issuer' });
    const issuer = await createIssuer(root, 'a', now);
    const settled = nextTrustStep(root.certificate, issuer.certificate, now);
    expect(settled.kind).toBe('none');
    if (settled.kind === 'none')
      expect(Math.abs(settled.renewAt - (now + 0.6 * 365 * DAY))).toBeLessThan(DAY);
    expect(nextTrustStep(root.certificate, issuer.certificate, now + 0.59 * 365 * DAY)).toMatchObject({
      kind: 'none',
    });
    expect(nextTrustStep(root.certificate, issuer.certificate, now + 0.61 * 365 * DAY)).toMatchObject({
      kind: 'create-issuer',
    });
    expect(nextTrustStep(root.certificate, issuer.certificate, now + 4_000 * DAY)).toMatchObject({
      kind: 'create-root',
    });
  });

  test('does not go in circles when the root ends before a new issuer would', async () => {
    const root = await createRoot('a', now - 3_500 * DAY);
    const issuer = await createIssuer(root, 'a', now);
    expect(nextTrustStep(root.certificate, issuer.certificate, now + 140 * DAY)).toMatchObject({
      kind: 'none',
    });
  });
});
