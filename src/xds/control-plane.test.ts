import { afterEach, expect, test } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectGrpc } from '../grpc/index.js';
import { builtProxy } from '../testing/built-front.js';
import { startTestControlPlane, testToken } from '../testing/control-plane.js';
import { aMesh } from '../testing/mesh-fixture.js';
import { openssl } from '../testing/openssl.js';
import { AggregatedDiscoveryService } from '../wire/gen/envoy/service/discovery/v3/ads_pb.js';
import { IdentityAuthority } from '../wire/gen/weft/identity/v1/identity_pb.js';

const SERVER = 'URI:spiffe://cluster.local/ns/weft-system/sa/weft';
/** A step of the suite that has built the proxy runs it. */
const real = builtProxy === undefined ? test.skip : test;
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

real('a pod gets a certificate with its token, and its configuration with that certificate', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'weft-'));
  const stop = new AbortController();
  ends.push(
    () => stop.abort(),
    () => rm(dir, { recursive: true }),
  );
  const plane = await startTestControlPlane(aMesh(), dir, stop.signal);
  const roots = await readFile(join(dir, 'bundle.pem'), 'utf8');
  const checkServer = (san: string): Error | undefined =>
    san === SERVER ? undefined : new Error(`not the control plane: ${san}`);

  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const request = await openssl(['req', '-new', '-key', 'key.pem', '-subj', '/', '-outform', 'pem'], {
    'key.pem': keyPem,
  });
  const csr = Uint8Array.from(
    Buffer.from(/REQUEST-----([\s\S]*?)-----END/.exec(request.output)![1]!, 'base64'),
  );
  const authority = await connectGrpc({ host: '127.0.0.1', port: plane.csrPort, roots, checkServer });
  ends.push(() => authority.session.destroy());
  const headers = { authorization: `Bearer ${testToken('web-1')}` };
  const answer = await authority.unary(IdentityAuthority.method.certify, { csr }, headers);
  const chain = answer.chain
    .map(
      (der) =>
        `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`,
    )
    .join('');

  const certificate = { chain, privateKey: keyPem };
  const config = await connectGrpc({
    host: '127.0.0.1',
    port: plane.configPort,
    roots,
    certificate,
    checkServer,
  });
  ends.push(() => config.session.destroy());
  const stream = config.bidi(AggregatedDiscoveryService.method.deltaAggregatedResources);
  stream.send({
    node: { id: 'web-1' },
    typeUrl: 'type.weft.dev/weft.v1.Workload',
    resourceNamesSubscribe: ['web-1'],
  });
  expect((await stream.next())?.resources.map(({ name }) => name)).toEqual(['web-1']);
});
