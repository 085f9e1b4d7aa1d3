import { describe, expect, test } from '@jest/globals';
import { openssl } from '../testing/openssl.js';
import { testCa } from '../testing/test-ca.js';
import { createIssuer, createRoot, issueCertificate, mergeBundle, parseIssuer } from './index.js';
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

  test('gives a key for sessions that is always the same and tells nothing of its own', async () => {
    const read = async () => {
      const root = await createRoot('cluster.local', now);
      const issuer = await createIssuer(root, 'cluster.local', now);
      const secret = {
        'tls.crt': issuer.certificate,
        'tls.key': issuer.privateKey,
        'ca.crt': root.certificate,
      };
      const { sessionKey } = await parseIssuer(secret, 'Secret a');
      const again = await parseIssuer({ ...secret, 'tls.key': `\n${secret['tls.key']}\n` }, 'Secret b');
      expect(again.sessionKey).toEqual(sessionKey);
      expect(secret['tls.key']).not.toContain(Buffer.from(sessionKey).toString('base64').slice(0, 8));
      return sessionKey;
    };
    const one = await read();
    expect(one).toHaveLength(32);
    expect(await read()).not.toEqual(one);
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

  test('with the certificate of a server is refused, and says what to give', async () => {
    const ca = await testCa();
    const leaf = await ca.certificate('spiffe://a/ns/b/sa/c');
    const [certificate = ''] = leaf.chain.split(/(?<=-----END CERTIFICATE-----\n)/);
    const secret = { 'tls.crt': certificate, 'tls.key': leaf.privateKey, 'ca.crt': ca.issuer.chain };
    await expect(parseIssuer(secret, 'Secret x')).rejects.toThrow(/Secret x.* is not a CA .* intermediate/);
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
});
