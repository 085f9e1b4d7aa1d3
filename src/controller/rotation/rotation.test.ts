import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { fingerprintOf, fingerprintsOf } from '../../identity/index.js';
import { ApiServer, untilPasses } from '../../testing/index.js';
import { FASTER, Proxy, Replica, SYSTEM, ask, misfits, statusIn } from './rotation.fixture.js';

const SECRETS = '/api/v1/secrets';

let server: ApiServer;
let replicas: [Replica, Replica];
let proxies: Proxy[];
let stop: AbortController;
let turns: Promise<void>;
let seen: string[];

beforeEach(async () => {
  server = await ApiServer.start();
  server.put('/api/v1/namespaces', { metadata: { name: 'shop', labels: { 'weft.dev/inject': 'enabled' } } });
  server.put('/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations', {
    metadata: { name: 'weft-default' },
    webhooks: [
      { name: 'namespace.inject.weft.dev', clientConfig: {} },
      // Of somebody else, with roots of its own.
      { name: 'guard.example.com', clientConfig: { url: 'https://guard.example.com', caBundle: 'b3RoZXI=' } },
    ],
  });
  replicas = [new Replica(server, 'weft-1'), new Replica(server, 'weft-2')];
  proxies = Array.from({ length: 5 }, (_, i) => new Proxy(server, `web-${i}`));
  seen = [];
  stop = new AbortController();
  turns = takeTurns(stop.signal);
  replicas[0].lead();
  await untilPasses(() => expect(proxies.every(({ held }) => held !== undefined)).toBe(true));
});

afterEach(async () => {
  stop.abort();
  await turns;
  for (const proxy of proxies) proxy.end();
  await Promise.all(replicas.map((replica) => replica.end()));
  await server.stop();
});

/** Proxies look at their files one after the other, some here and some there, and nobody may ever meet a stranger. */
async function takeTurns(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const [i, proxy] of proxies.entries()) {
      await proxy.look(server, replicas[i % 2]!);
      seen.push(...misfits(proxies, replicas));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

function secret(name: string): Record<string, string> {
  const stored = server.get(SECRETS, { namespace: SYSTEM, name });
  const data = Object.entries((stored?.data ?? {}) as Record<string, string>);
  return Object.fromEntries(data.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
}

function putSecret(name: string, data: Record<string, string>, annotations = {}): void {
  const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  server.put(SECRETS, {
    metadata: { name, namespace: SYSTEM, annotations },
    data: Object.fromEntries(encoded) as object,
  });
}

const rootNow = (): string => fingerprintOf(secret('weft-root')['tls.crt']!);
const issuerNow = (): string => fingerprintOf(secret('weft-issuer')['tls.crt']!);
const rootsNow = (): readonly string[] => fingerprintsOf(secret('weft-issuer')['ca.crt']!);
const stateNow = (): string | undefined => statusIn(server)?.state;
const until = (state: string): Promise<void> => untilPasses(() => expect(stateNow()).toBe(state), 90_000);

test('another issuer: every proxy gets a certificate of it, counted, under the root of before', async () => {
  const [root, issuer] = [rootNow(), issuerNow()];
  ask(server, { id: '1', of: 'issuer' });
  await until('Done');
  expect(rootNow()).toBe(root);
  expect(issuerNow()).not.toBe(issuer);
  expect(proxies.map(({ held }) => held?.issuer)).toEqual(proxies.map(issuerNow));
  expect(statusIn(server)).toMatchObject({
    certified: { count: 5, of: 5 },
    replicas: { count: 2, of: 2 },
    behind: [],
  });
  expect(seen).toEqual([]);
  // The same request, seen again by whoever leads, is not done again.
  const after = issuerNow();
  await replicas[0].stopLeading();
  replicas[1].lead();
  ask(server, { id: '1', of: 'issuer' });
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(issuerNow()).toBe(after);
}, 120_000);

test('another root: nothing under it is shown before all trust it, the former goes last, and nobody meets a stranger', async () => {
  const [root, issuer] = [rootNow(), issuerNow()];
  ask(server, { id: '1' });
  await until('Done');
  expect(statusIn(server)?.states.map(({ state }) => state)).toEqual(
    expect.arrayContaining(['Announcing', 'Trusting', 'Reissuing', 'Retiring', 'Done']),
  );
  expect(rootNow()).not.toBe(root);
  expect(issuerNow()).not.toBe(issuer);
  expect(rootsNow()).toEqual([rootNow()]);
  for (const { held } of proxies) {
    expect(held).toMatchObject({ issuer: issuerNow(), root: rootNow() });
    expect(fingerprintsOf(held!.roots)).toEqual([rootNow()]);
  }
  expect(replicas.map(({ issuer: { current } }) => fingerprintsOf(current!.roots))).toEqual([
    [rootNow()],
    [rootNow()],
  ]);
  expect(seen).toEqual([]);
}, 120_000);

test('a proxy that does not get the new root holds it for however long, by name, and can be waited for', async () => {
  proxies[3]!.isStuck = true;
  const issuer = issuerNow();
  ask(server, { id: '1' });
  await untilPasses(() => {
    expect(statusIn(server)).toMatchObject({ state: 'Trusting', trusting: { count: 4, of: 5 } });
    expect(statusIn(server)?.behind).toContainEqual({ pod: 'shop/web-3', lacks: 'root' });
  });
  // Twice as long, by the leader's clock, as bundles need.
  await new Promise((resolve) => setTimeout(resolve, (10 * 60_000) / FASTER));
  expect(stateNow()).toBe('Trusting');
  expect(issuerNow()).toBe(issuer);
  proxies[3]!.isStuck = false;
  await until('Done');
  expect(seen).toEqual([]);
}, 120_000);

test('a kubelet that renews later holds the rotation by name and number, is trusted all the while, and ends it', async () => {
  const late = new Proxy(server, 'late', { podCertificate: true });
  proxies.push(late);
  await untilPasses(() => expect(late.held).toBeDefined());
  const [root, issuer] = [rootNow(), issuerNow()];
  ask(server, { id: '1' });
  await untilPasses(() => {
    expect(statusIn(server)).toMatchObject({ state: 'Reissuing', certified: { count: 5, of: 6 } });
    expect(statusIn(server)?.behind).toContainEqual({ pod: 'shop/late', lacks: 'certificate' });
  }, 60_000);
  expect(statusIn(server)?.message).toMatch(/Pods that have theirs from the kubelet \(1\) follow/);
  // Longer, by the leader's clock, than anything else takes.
  await new Promise((resolve) => setTimeout(resolve, (10 * 60_000) / FASTER));
  expect(statusIn(server)).toMatchObject({ state: 'Reissuing' });
  expect(late.held).toMatchObject({ issuer, root });
  expect(rootsNow()).toContain(root);
  late.isDue = true;
  await until('Done');
  expect(rootsNow()).not.toContain(root);
  expect(late.held).toMatchObject({ issuer: issuerNow(), root: rootNow() });
  expect(seen).toEqual([]);
}, 120_000);

test('proxies that cannot say what they trust are given the five minutes that bundles need', async () => {
  proxies.push(new Proxy(server, 'old', { tells: false }));
  await untilPasses(() => expect(proxies.every(({ held }) => held !== undefined)).toBe(true));
  const began = Date.now();
  ask(server, { id: '1' });
  await until('Reissuing');
  expect(Date.now() - began).toBeGreaterThan((5 * 60_000) / FASTER - 100);
  await until('Done');
  expect(seen).toEqual([]);
}, 120_000);

test.each(['Trusting', 'Reissuing', 'Retiring'])(
  'whoever leads next goes on from %s, with the same root',
  async (state) => {
    // Somebody keeps it in this state until the leader is gone.
    const holds = proxies[0]!;
    const root = rootNow();
    if (state === 'Trusting') holds.isStuck = true;
    ask(server, { id: '1' });
    if (state !== 'Trusting') {
      await until('Trusting');
      while (stateNow() !== state) {
        if (state === 'Retiring' && stateNow() === 'Reissuing') holds.isStuck = rootsNow().length === 1;
        if (state === 'Reissuing' && issuerNow() !== holds.held?.issuer) holds.isStuck = true;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    } else await until('Trusting');
    await replicas[0].stopLeading();
    const made = rootNow();
    expect(made).not.toBe(root);
    replicas[1].lead();
    holds.isStuck = false;
    await until('Done');
    expect(rootNow()).toBe(made);
    expect(rootsNow()).toEqual([made]);
    expect(seen).toEqual([]);
  },
  120_000,
);

test('a Secret that cert-manager keeps is refused, with what to do', async () => {
  const before = secret('weft-issuer');
  putSecret('weft-issuer', before, { 'cert-manager.io/certificate-name': 'mesh-ca' });
  ask(server, { id: '1', of: 'issuer', takeOver: true });
  await until('Refused');
  expect(statusIn(server)?.message).toMatch(
    /cert-manager keeps Secret weft-issuer for its Certificate mesh-ca/,
  );
  expect(secret('weft-issuer')).toEqual(before);
}, 120_000);

test('a root that is kept elsewhere is not replaced, unless that is said', async () => {
  server.remove(SECRETS, { namespace: SYSTEM, name: 'weft-root' });
  const before = secret('weft-issuer');
  ask(server, { id: '1' });
  await until('Refused');
  expect(statusIn(server)?.message).toMatch(
    /Secret weft-root does not exist: restore it, or, with --root --take-over/,
  );
  expect(secret('weft-issuer')).toEqual(before);
  ask(server, { id: '2', takeOver: true });
  await until('Done');
  expect(rootsNow()).toEqual([rootNow()]);
}, 120_000);
