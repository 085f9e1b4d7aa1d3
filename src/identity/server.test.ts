import { X509Certificate, createPublicKey } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import { GrpcCode, GrpcError } from '../grpc/index.js';
import { openssl } from '../testing/openssl.js';
import { testCa } from '../testing/test-ca.js';
import { testCsr } from '../testing/test-csr.js';
import { POD, PROVEN, WEB, anAuthority, certify, endAll, start, type Setup } from './authority.fixture.js';
import { encodePem } from './pem.js';

afterEach(endAll);

describe('a certificate', () => {
  test('is issued to the pod that its token proves, and openssl finds nothing wrong with it', async () => {
    const running = await start();
    const csr = await testCsr({ uri: WEB });
    const answer = await certify(running, csr);
    expect(running.reviewed).toEqual([['a.b.c', 'weft']]);
    expect(answer.chain).toHaveLength(2);
    const [leaf, issuer] = answer.chain.map((der) => encodePem('CERTIFICATE', der)) as [string, string];
    const files = {
      'root.pem': running.ca.roots,
      'issuer.pem': issuer,
      'leaf.pem': leaf,
      'request.der': csr,
    };
    for (const purpose of ['sslserver', 'sslclient']) {
      const verified = await openssl(
        [
          'verify',
          '-x509_strict',
          '-purpose',
          purpose,
          '-CAfile',
          'root.pem',
          '-untrusted',
          'issuer.pem',
          'leaf.pem',
        ],
        files,
      );
      expect(verified.output).toBe('leaf.pem: OK\n');
    }
    const { output } = await openssl(['x509', '-in', 'leaf.pem', '-noout', '-text'], files);
    expect(output).toMatch(
      /X509v3 Subject Alternative Name: critical\s+URI:spiffe:\/\/cluster\.local\/ns\/shop\/sa\/web\n/,
    );
    expect(output).toMatch(/Subject: *\n/);
    expect(output).toMatch(/X509v3 Basic Constraints: critical\s+CA:FALSE/);
    expect(output).toMatch(/X509v3 Key Usage: critical\s+Digital Signature\n/);
    expect(output).toMatch(
      /X509v3 Extended Key Usage: *\s+TLS Web Server Authentication, TLS Web Client Authentication\n/,
    );
    expect(output).toContain('ASN1 OID: prime256v1');
    const asked = (await openssl(['req', '-inform', 'der', '-in', 'request.der', '-noout', '-pubkey'], files))
      .output;
    const given = new X509Certificate(leaf).publicKey;
    expect(given.equals(createPublicKey(asked))).toBe(true);
  });

  test('lasts 24 hours from now, backdated by a minute, and the answer says the same', async () => {
    const before = Date.now();
    const answer = await certify(await start(), await testCsr());
    const leaf = new X509Certificate(Buffer.from(answer.chain[0]!));
    expect(Math.abs(leaf.validFromDate.getTime() - (before - 60_000))).toBeLessThan(5_000);
    expect(Math.abs(leaf.validToDate.getTime() - (before + 86_400_000))).toBeLessThan(5_000);
    expect(Number(answer.notBefore) * 1000).toBe(leaf.validFromDate.getTime());
    expect(Number(answer.notAfter) * 1000).toBe(leaf.validToDate.getTime());
  });

  test('never outlives its issuer', async () => {
    const ca = await testCa('cluster.local', Date.now() - 364.5 * 86_400_000);
    const answer = await certify(await start({ issuer: ca.issuer }), await testCsr());
    const leaf = new X509Certificate(Buffer.from(answer.chain[0]!));
    expect(leaf.validToDate.getTime()).toBe(
      Math.floor(ca.issuer.certificate.notAfter.getTime() / 1000) * 1000,
    );
  });

  test('has a serial of its own, of about 128 bits', async () => {
    const running = await start();
    const serials = await Promise.all(
      Array.from(
        { length: 5 },
        async () =>
          new X509Certificate(Buffer.from((await certify(running, await testCsr())).chain[0]!)).serialNumber,
      ),
    );
    expect(new Set(serials).size).toBe(5);
    for (const serial of serials) expect(serial.length).toBeGreaterThan(24);
  });

  test('is issued whatever else the request asks for, without any of it', async () => {
    const config =
      '[req]\ndistinguished_name=dn\nreq_extensions=ext\nprompt=no\n[dn]\n[ext]\nbasicConstraints=critical,CA:true\nkeyUsage=keyCertSign\nsubjectAltName=URI:' +
      WEB;
    const running = await start();
    const made = await openssl(
      [
        'req',
        '-new',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        '/dev/null',
        '-subj',
        '/',
        '-config',
        'c.cnf',
        '-outform',
        'pem',
      ],
      { 'c.cnf': config },
    );
    const pem = /-----BEGIN CERTIFICATE REQUEST-----([\s\S]*?)-----END/.exec(made.output)![1]!;
    const answer = await certify(running, Uint8Array.from(Buffer.from(pem, 'base64')));
    expect(new X509Certificate(Buffer.from(answer.chain[0]!)).ca).toBe(false);
  });

  test('reaches the pod over IPv6 too, when that address is its own', async () => {
    const pods = new Map([['uid-1', { ...POD, addresses: ['0:0:0:0:0:0:0:1'] }]]);
    expect((await certify(await start({ pods }), await testCsr(), 'a.b.c', '::1')).chain).toHaveLength(2);
  });

  test('openssl accepts the server by TLS 1.3, HTTP/2 and its root', async () => {
    const running = await start();
    const args = [
      's_client',
      '-connect',
      `127.0.0.1:${running.port}`,
      '-CAfile',
      'root.pem',
      '-verify_return_error',
      '-alpn',
      'h2',
      '-brief',
    ];
    const { output } = await openssl(args, { 'root.pem': running.ca.roots });
    expect(output).toContain('Protocol version: TLSv1.3');
    expect(output).toContain('Verification: OK');
    expect((await openssl([...args, '-tls1_2'], { 'root.pem': running.ca.roots })).code).not.toBe(0);
    const http1 = args.map((argument) => (argument === 'h2' ? 'http/1.1' : argument));
    const refused = await openssl(http1, { 'root.pem': running.ca.roots });
    expect(refused.output).toContain('no application protocol');
  });
});

describe('refused', () => {
  const jwt = (claims: object): string =>
    `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
  const unauthenticated = { authenticated: false, error: 'invalid bearer token' };
  const later = Math.floor(Date.now() / 1000) + 3_600;

  async function refusal(
    setup: Setup,
    csr: Uint8Array<ArrayBuffer>,
    token?: string,
  ): Promise<{ reason: string; code: number; message: string }> {
    const running = await start(setup);
    const thrown = await certify(running, csr, token).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (!(thrown instanceof GrpcError)) throw new Error(`not refused: ${String(thrown)}`);
    const reason = thrown.message.split(':')[0]!;
    const text = await running.metrics.text();
    expect(text).toContain(`weft_identity_refusals_total{reason="${reason}"} 1`);
    expect(text).toMatch(/weft_identity_certificates_issued_total 0/);
    return { reason, code: thrown.code, message: thrown.message };
  }

  test.each<[string, Setup, string, string, number]>([
    ['a request without a token', {}, '', 'no-token', GrpcCode.unauthenticated],
    [
      'a token that the API server does not know',
      { review: unauthenticated },
      jwt({ aud: ['weft'], exp: later }),
      'invalid-token',
      GrpcCode.unauthenticated,
    ],
    [
      'a token that is no JWT',
      { review: unauthenticated },
      'garbage',
      'invalid-token',
      GrpcCode.unauthenticated,
    ],
    [
      'an expired token',
      { review: unauthenticated },
      jwt({ aud: ['weft'], exp: later - 7_200 }),
      'expired-token',
      GrpcCode.unauthenticated,
    ],
    [
      'a token for another audience',
      { review: unauthenticated },
      jwt({ aud: ['vault'], exp: later }),
      'wrong-audience',
      GrpcCode.unauthenticated,
    ],
    [
      'a review that does not name the audience',
      { review: { ...PROVEN, audiences: ['https://kubernetes.default.svc'] } },
      'a.b.c',
      'wrong-audience',
      GrpcCode.unauthenticated,
    ],
    [
      'a review of an API server that knows no audiences',
      { review: { authenticated: true, user: PROVEN.user! } },
      'a.b.c',
      'wrong-audience',
      GrpcCode.unauthenticated,
    ],
    [
      'a token of a person',
      { review: { ...PROVEN, user: { username: 'jane' } } },
      'a.b.c',
      'not-service-account',
      GrpcCode.permissionDenied,
    ],
    [
      'a token that is not bound to a pod',
      { review: { ...PROVEN, user: { username: 'system:serviceaccount:shop:web' } } },
      'a.b.c',
      'no-pod',
      GrpcCode.permissionDenied,
    ],
    ['a pod that nobody knows', { pods: new Map() }, 'a.b.c', 'unknown-pod', GrpcCode.unavailable],
    [
      'a pod without an address',
      { pods: new Map([['uid-1', { ...POD, addresses: [] }]]) },
      'a.b.c',
      'unknown-pod',
      GrpcCode.unavailable,
    ],
    [
      "another pod's address",
      { pods: new Map([['uid-1', { ...POD, addresses: ['10.244.0.9'] }]]) },
      'a.b.c',
      'foreign-address',
      GrpcCode.permissionDenied,
    ],
    [
      'a pod of another service account',
      { pods: new Map([['uid-1', { ...POD, serviceAccount: 'other' }]]) },
      'a.b.c',
      'pod-mismatch',
      GrpcCode.permissionDenied,
    ],
    [
      'a pod of another account also without the check of addresses',
      {
        checkPeerAddress: false,
        pods: new Map([['uid-1', { ...POD, serviceAccount: 'other', addresses: [] }]]),
      },
      'a.b.c',
      'pod-mismatch',
      GrpcCode.permissionDenied,
    ],
    [
      'anything while the API server cannot be asked',
      { review: new Error('connect ECONNREFUSED') },
      'a.b.c',
      'review-failed',
      GrpcCode.unavailable,
    ],
    [
      'anything while there is no issuer',
      { issuer: 'none' },
      'a.b.c',
      'issuer-unavailable',
      GrpcCode.unavailable,
    ],
  ])('%s', async (_name, setup, token, reason, code) => {
    expect(await refusal(setup, await testCsr({ uri: WEB }), token)).toMatchObject({ reason, code });
  });

  test('an issuer that has ended', async () => {
    const old = await testCa('cluster.local', Date.now() - 400 * 86_400_000);
    expect(await refusal({ issuer: old.issuer }, await testCsr())).toMatchObject({
      reason: 'issuer-unavailable',
    });
  });

  test.each([
    ['another SPIFFE name', { uri: 'spiffe://cluster.local/ns/shop/sa/admin' }, 'admin'],
    ['a host name beside its own', { uri: WEB, dns: 'bank.example' }, 'bank.example'],
    ['an address', { ip: '10.0.0.1' }, '10.0.0.1'],
    ['a subject', { subject: 'CN=admin' }, 'CN=admin'],
  ])('a request that asks for %s', async (_name, values, named) => {
    const { reason, code, message } = await refusal({}, await testCsr(values));
    expect({ reason, code }).toEqual({ reason: 'csr-name', code: GrpcCode.permissionDenied });
    expect(message).toContain(named);
    expect(message).toContain(WEB);
  });

  test('a key on another curve, and an RSA key', async () => {
    expect(await refusal({}, await testCsr({ curve: 'P-384' }))).toMatchObject({
      reason: 'csr-key',
      code: GrpcCode.invalidArgument,
    });
    expect(await refusal({}, await testCsr({ rsa: true }))).toMatchObject({ reason: 'csr-key' });
  });

  test('a request whose signature does not fit its key', async () => {
    const csr = await testCsr({ uri: WEB });
    csr.set([csr.at(-1)! ^ 1], csr.length - 1);
    expect(await refusal({}, csr)).toMatchObject({ reason: 'csr-signature', code: GrpcCode.invalidArgument });
  });

  test('bytes that are no request, and too many of them', async () => {
    expect(await refusal({}, Uint8Array.of(1, 2, 3))).toMatchObject({ reason: 'csr-invalid' });
    expect(await refusal({}, new Uint8Array(9_000))).toMatchObject({ reason: 'csr-invalid' });
    expect(await refusal({}, new Uint8Array())).toMatchObject({ reason: 'csr-invalid' });
  });

  test("a pod on its node's network, whose address proves only the node", async () => {
    const pods = new Map([['uid-1', { ...POD, hostNetwork: true }]]);
    await expect(certify(await start({ pods }), await testCsr())).rejects.toMatchObject({
      code: GrpcCode.permissionDenied,
      message: expect.stringMatching(/^host-network: .*its node's network/),
    });
  });

  test("a pod of our own service account: the control plane's identity is given out to nobody", async () => {
    const pod = { ...POD, namespace: 'weft-system', serviceAccount: 'weft' };
    const review = {
      ...PROVEN,
      user: { ...PROVEN.user, username: 'system:serviceaccount:weft-system:weft' },
    };
    const running = await start({ pods: new Map([['uid-1', pod]]), review });
    await expect(certify(running, await testCsr())).rejects.toMatchObject({
      code: GrpcCode.permissionDenied,
      message: expect.stringMatching(/^control-plane-identity: /),
    });
  });

  test('an address that asks without end, also where addresses prove nothing', async () => {
    for (const [checkPeerAddress, most] of [
      [true, 100],
      [false, 1_000],
    ] as const) {
      const review = { authenticated: false, error: 'no' };
      const { authority, reviewed } = await anAuthority({ checkPeerAddress, review });
      const ask = (): Promise<unknown> =>
        authority.certify(
          { token: 'a.b.c', csr: new Uint8Array(), peerAddress: '10.0.0.66' },
          new AbortController().signal,
        );
      for (let asked = 0; asked < most + 50; asked++) await ask();
      expect(reviewed.length).toBeGreaterThanOrEqual(most);
      expect(reviewed.length).toBeLessThan(most + 50);
    }
  });

  test('a pod that asks again and again', async () => {
    const running = await start();
    const csr = await testCsr();
    const answers = await Promise.allSettled(Array.from({ length: 14 }, () => certify(running, csr)));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
    expect(await running.metrics.text()).toContain('weft_identity_refusals_total{reason="rate-limited"} 4');
  });
});
