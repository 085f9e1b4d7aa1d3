import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, load, namespace } from '../support/app.js';
import { replicas } from '../support/replicas.js';
import { apply, eventually, get, kubectl } from '../support/run.js';
import { runWeft, weft } from '../support/weft.js';
import { threeWays, underTraffic } from '../support/traffic.js';

// `weft identity rotate` on a mesh that works, under two hundred requests a second: issuer, then root. No call fails, pods that
// come meanwhile take part, and what the former root signed is refused afterwards.

const NS = 'e2e-rotate';
const SYSTEM = 'weft-system';
const URL = 'http://server:8080/';

const CALLERS = threeWays(NS, 'deploy/client', URL);

interface Secret {
  readonly data: Readonly<Record<string, string>>;
}

beforeAll(async () => {
  await replicas();
  await apply(namespace(NS));
  await deploy({ namespace: NS, name: 'server', replicas: 2 }, { namespace: NS, name: 'client' });
});

afterAll(async () => {
  await kubectl('delete', 'namespace', NS, '--wait=false');
});

async function pem(secret: string, key: string): Promise<string> {
  const { data } = await get<Secret>('secret', secret, '-n', SYSTEM);
  return Buffer.from(data[key] ?? '', 'base64').toString();
}

async function bundle(): Promise<string> {
  const { data } = await get<Secret>('configmap', 'weft-trust', '-n', NS);
  return data['bundle.pem'] ?? '';
}

/** The states it goes through; as the terminal shows them, line by line. */
async function rotate(...flags: string[]): Promise<string[]> {
  const said = await runWeft(['identity', 'rotate', '--timeout', '15', '-o', 'json', ...flags], {
    timeout: 960_000,
  });
  return said
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { state: string }).state);
}

test('another issuer: every proxy has a certificate of it within minutes, and no call fails', async () => {
  const [root, issuer] = [await pem('weft-root', 'tls.crt'), await pem('weft-issuer', 'tls.crt')];
  await underTraffic(CALLERS, async () => {
    const states = await rotate();
    expect(states.at(-1)).toBe('Done');
  });
  expect(await pem('weft-root', 'tls.crt')).toBe(root);
  expect(await pem('weft-issuer', 'tls.crt')).not.toBe(issuer);
}, 900_000);

test('another root: the former one is trusted by nobody in the end, and no call fails', async () => {
  const root = await pem('weft-root', 'tls.crt');
  await underTraffic(CALLERS, async () => {
    const rotation = rotate('--root');
    await deploy({ namespace: NS, name: 'meanwhile' });
    const states = await rotation;
    expect(states).toEqual(expect.arrayContaining(['Trusting', 'Reissuing']));
    expect(states.at(-1)).toBe('Done');
  });
  const made = await pem('weft-root', 'tls.crt');
  expect(made).not.toBe(root);
  // Whatever the former root signed chains to nothing in this bundle, which is the only one that proxies have.
  expect(await bundle()).toBe(made);
  for (const [caller, callee] of [
    ['meanwhile', 'server'],
    ['client', 'meanwhile'],
  ]) {
    const report = await load(NS, `deploy/${caller}`, '-url', `http://${callee}:8080/`, '-count', '20');
    expect([caller, report.failures, report.requests]).toEqual([caller, {}, 20]);
  }
  await eventually('weft check has nothing to say about trust', async () => {
    const said = await weft('check');
    return !/does not hold the roots/.test(said);
  });
}, 1_200_000);
