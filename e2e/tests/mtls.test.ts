import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, load, namespace } from '../support/app.js';
import { apply, eventually, get, kubectl } from '../support/run.js';
import { podsOf, proxyMetrics, sum } from '../support/metrics.js';
import type { Condition } from '../support/policy.js';
import { weft } from '../support/weft.js';
import { weftObject } from '../support/policy.js';

const NS = 'e2e-mtls';
const PLAIN = 'e2e-mtls-plain';

const policy = (name: string, spec: object): object => weftObject('MeshTLSPolicy', NS, name, spec);

/** Requests out of five that the meshed server answered. */
async function answered(from: string): Promise<number> {
  const url = `http://server.${NS}:8080/`;
  const report = await load(from, 'deploy/client', '-url', url, '-count', '5', '-rate', '50');
  return report.statuses['200'] ?? 0;
}

const programmed = (name: string): Promise<string> =>
  kubectl('wait', '-n', NS, '--for=condition=Programmed', `meshtlspolicy/${name}`, '--timeout=60s');

async function accepted(name: string): Promise<Condition | undefined> {
  const found = await get<{ status?: { conditions?: readonly Condition[] } }>(
    'meshtlspolicy',
    name,
    '-n',
    NS,
  );
  return found.status?.conditions?.find(({ type }) => type === 'Accepted');
}

beforeAll(async () => {
  await apply([namespace(NS), namespace(PLAIN, {})]);
  await deploy({ namespace: NS, name: 'server' }, { namespace: NS, name: 'client' });
  await deploy({ namespace: PLAIN, name: 'client' });
});

afterAll(() => kubectl('delete', 'namespace', NS, PLAIN, '--wait=false'));

/** What the page tells people to do, in its order, in the namespace of this test. */
function page(): readonly { readonly language: string; readonly text: string }[] {
  const blocks = readFileSync('docs/mtls.md', 'utf8').matchAll(/^```(yaml|console)\n(.*?)^```$/gms);
  return [...blocks].map(([, language = '', text = '']) => ({ language, text: text.replaceAll('shop', NS) }));
}

async function follow({ language, text }: ReturnType<typeof page>[number]): Promise<string> {
  if (language === 'yaml') return apply(text);
  const [command = '', ...args] = text.trim().split(' ');
  if (command === 'kubectl') return kubectl(...args);
  expect(command).toBe('weft');
  return weft(...args);
}

test('the page leads from Permissive to Strict and back, and names who would be refused', async () => {
  const steps = page();
  const [look, leaveOpen, close, wait, back] = steps;
  if (!look || !leaveOpen || !close || !wait || !back || steps.length > 5)
    throw new Error('the page has other steps; follow them here');
  expect(await answered(PLAIN)).toBe(5);
  const status = await eventually('the caller is named', async () => {
    const text = await follow(look);
    return text.includes(`${PLAIN}/client-`) ? text : undefined;
  });
  expect(status).toMatch(new RegExp(`${PLAIN}/client-\\S+ +\\S+ +${NS}/server:8080 +[1-9]`));
  await follow(leaveOpen);
  await follow(close);
  await follow(wait);
  expect(await answered(PLAIN)).toBe(0);
  expect(await answered(NS)).toBe(5);
  await follow(back);
  await eventually('plain callers are served', async () => (await answered(PLAIN)) === 5);
  await kubectl('delete', 'meshtlspolicy', 'scraped', '-n', NS);
});

test('a namespace that is Strict refuses who comes without mutual TLS, and nobody else', async () => {
  expect(await answered(PLAIN)).toBe(5);
  await apply(policy('all', { mode: 'Strict' }));
  await programmed('all');
  expect(await answered(PLAIN)).toBe(0);
  expect(await answered(NS)).toBe(5);
});

test('a port of some pods is opened again, and closed', async () => {
  const selector = { matchLabels: { app: 'server' } };
  await apply(policy('scraped', { selector, ports: [{ port: 8080, mode: 'Permissive' }] }));
  await programmed('scraped');
  expect(await answered(PLAIN)).toBe(5);
  await kubectl('delete', 'meshtlspolicy', 'scraped', '-n', NS);
  await eventually('the port is closed', async () => (await answered(PLAIN)) === 0, 60);
  expect(await answered(NS)).toBe(5);
});

test('what the installation does not permit is refused, and changes nothing', async () => {
  await apply(policy('off', { selector: { matchLabels: { app: 'server' } }, mode: 'Disabled' }));
  await eventually('the status says so', async () => (await accepted('off'))?.reason === 'BelowMinimum');
  expect(await answered(PLAIN)).toBe(0);
  expect(await answered(NS)).toBe(5);
});

test('pods start, are probed and end in a namespace that is Strict', async () => {
  await kubectl('rollout', 'restart', '-n', NS, 'deployment/server');
  await kubectl('rollout', 'status', '-n', NS, 'deployment/server', '--timeout=120s');
  expect(await answered(NS)).toBe(5);
  expect(await answered(PLAIN)).toBe(0);
});

test('turning Strict on and off loses no request between meshed pods', async () => {
  const flags = ['-url', `http://server.${NS}:8080/`, '-rate', '100', '-duration', '20s'];
  const running = Promise.all([
    load(NS, 'deploy/client', ...flags),
    load(NS, 'deploy/client', ...flags, '-h2'),
  ]);
  for (const mode of ['Permissive', 'Strict', 'Permissive', 'Strict']) {
    await apply(policy('all', { mode }));
    await programmed('all');
  }
  for (const report of await running) {
    expect(report.requests).toBeGreaterThan(1000);
    expect(report.failures).toEqual({});
    expect(Object.keys(report.statuses)).toEqual(['200']);
  }
});

test('deleting the policy is the way back', async () => {
  await kubectl('delete', 'meshtlspolicy', '--all', '-n', NS);
  await eventually('plain callers are served', async () => (await answered(PLAIN)) === 5, 60);
});

/** The least that objects may ask for, as the chart sets it. */
async function setMinimum(mode: string): Promise<void> {
  const plane = ['-n', 'weft-system', 'deployment/weft-default'];
  await kubectl('set', 'env', ...plane, `WEFT_MTLS_MINIMUM=${mode}`);
  await kubectl('rollout', 'status', ...plane, '--timeout=120s');
}

/** Connections without mutual TLS from the meshed client, as the server's proxy counts them. */
async function plainFromClient(): Promise<number> {
  const { items } = await get<{ items: readonly { status: { podIPs: readonly { ip: string }[] } }[] }>(
    ...['pods', '-n', NS, '-l', 'app=client'],
  );
  const addresses = items.flatMap(({ status }) => status.podIPs.map(({ ip }) => ip));
  const samples = await Promise.all((await podsOf(NS, 'app=server')).map((pod) => proxyMetrics(NS, pod)));
  return addresses
    .map((address) => sum(samples.flat(), 'weft_plain_connections_total', { address }))
    .reduce((total, one) => total + one, 0);
}

test('where the installation permits it, callers use plain text at what is Disabled, and stop when it ends', async () => {
  const calls = async (): Promise<number> => {
    const before = await plainFromClient();
    expect(await answered(NS)).toBe(5);
    return (await plainFromClient()) - before;
  };
  await setMinimum('Disabled');
  try {
    expect(await calls()).toBe(0);
    await apply(policy('off', { selector: { matchLabels: { app: 'server' } }, mode: 'Disabled' }));
    await eventually('callers use plain text', async () => (await calls()) > 0);
    await kubectl('delete', 'meshtlspolicy', 'off', '-n', NS);
    await eventually('callers use mutual TLS again', async () => (await calls()) === 0);
  } finally {
    await setMinimum('Permissive');
  }
});
