import { expect, test } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import { WEB } from '../../testing/config-server.js';
import { testCa } from '../../testing/test-ca.js';
import { KnownPeers } from './known-peers.js';

test('a certificate is parsed once, whatever address it comes from', async () => {
  const ca = await testCa();
  const [first, second] = [await ca.certificate(WEB), await ca.certificate(WEB)].map(
    ({ chain }) => new X509Certificate(chain),
  );
  const peers = new KnownPeers();
  for (let i = 1; i <= 20; i++) {
    const peer = peers.of(`10.0.0.${i}`, first!.raw);
    expect(peer.address).toBe(`10.0.0.${i}`);
    expect(peer.certificate).toMatchObject({
      subjectAltName: `URI:${WEB}`,
      fingerprint256: first!.fingerprint256,
    });
    expect(peer.certificate?.der()).toEqual(Uint8Array.from(first!.raw));
  }
  expect(peers.size).toBe(1);
  expect(peers.of('10.0.0.1', second!.raw).certificate?.fingerprint256).toBe(second!.fingerprint256);
  expect(peers.size).toBe(2);
});

test('what is no certificate is nobody, and strangers cannot have it kept without end', () => {
  const peers = new KnownPeers();
  for (let i = 0; i < 3_000; i++)
    expect(peers.of('10.0.0.1', Buffer.from(`noise ${i}`)).certificate).toBeUndefined();
  expect(peers.size).toBeLessThanOrEqual(1_024);
});
