import { X509Certificate, createHash } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, expect, test } from '@jest/globals';
import { createLogger } from '../base/index.js';
import { connectGrpc } from '../grpc/index.js';
import { testCsr } from '../testing/test-csr.js';
import { IdentityAuthority } from '../wire/gen/weft/identity/v1/identity_pb.js';
import { WEB, certify, endAll, ends, start } from './authority.fixture.js';

afterEach(endAll);

test('each certificate is one line of the log that says whose it is and which', async () => {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const running = await start({ log: createLogger({ destination: { write } }) });
  const { chain } = await certify(running, await testCsr());
  const leaf = new X509Certificate(chain[0]!);
  const spki = leaf.publicKey.export({ type: 'spki', format: 'der' });
  expect(lines.filter(({ msg }) => msg === 'issued a certificate')).toEqual([
    expect.objectContaining({
      level: 'info',
      identity: WEB,
      pod: 'shop/web-1',
      podUid: 'uid-1',
      peer: '127.0.0.1',
      serial: leaf.serialNumber.toLowerCase(),
      spkiSha256: createHash('sha256').update(spki).digest('hex'),
      notAfter: leaf.validToDate.toISOString(),
    }),
  ]);
});

test('refusals of one address are a few lines of the log, however many they are', async () => {
  const lines: string[] = [];
  const write = (line: string): void => void lines.push(line);
  const running = await start({ log: createLogger({ destination: { write } }) });
  const csr = await testCsr();
  const client = await connectGrpc({ host: '127.0.0.1', port: running.port, roots: running.ca.roots });
  ends.push(() => client.session.destroy());
  for (let i = 0; i < 40; i++)
    await client.unary(IdentityAuthority.method.certify, { csr }).catch(() => undefined);
  expect(lines.filter((line) => line.includes('refused a certificate'))).toHaveLength(5);
  expect(await running.metrics.text()).toContain('weft_identity_refusals_total{reason="no-token"} 40');
});

test('a connection that asks for nothing is asked to end', async () => {
  const running = await start({ idleMs: 30 });
  const client = await connectGrpc({ host: '127.0.0.1', port: running.port, roots: running.ca.roots });
  ends.push(() => client.session.destroy());
  await once(client.session, 'close');
});
