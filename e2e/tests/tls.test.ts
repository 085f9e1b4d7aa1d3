import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { type LoadReport, deploy, load, namespace } from '../support/app.js';
import { podsOf } from '../support/metrics.js';
import { apply, eventually, kubectl, run } from '../support/run.js';

const NS = 'e2e-tls';
const PLAIN = 'e2e-tls-plain';
const NETNS = 'weft-node';
const MESHED_MARKER = 'marker-of-the-mesh-7d1c';
const UNMESHED_MARKER = 'marker-without-mesh-7d1c';

/** What tcpdump sees between pods, on their port 8080, while `work` runs and until it has seen `last`. */
async function capture(ips: readonly string[], last: string, work: () => Promise<unknown>): Promise<string> {
  const filter = `tcp port 8080 and (${ips.map((ip) => `host ${ip}`).join(' or ')})`;
  const args = ['netns', 'exec', NETNS, 'tcpdump', '-i', 'any', '-nn', '-U', '-s', '0', '-A', '-l', filter];
  const dump = spawn('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let seen = '';
  let said = '';
  dump.stdout.setEncoding('latin1').on('data', (chunk: string) => (seen += chunk));
  dump.stderr.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  const ended = new Promise((done) => dump.on('close', done));
  try {
    await eventually('tcpdump listens', () => Promise.resolve(said.includes('listening on')), 20);
    await work();
    await eventually(`the capture holds ${last}`, () => Promise.resolve(seen.includes(last)), 30);
  } finally {
    dump.kill('SIGINT');
    await ended;
  }
  return seen;
}

/** Addresses of a pod, IPv4 first: its callers may come by either family. */
async function podIps(namespace: string, selector: string): Promise<string[]> {
  const [name] = await podsOf(namespace, selector);
  return (await kubectl('get', 'pod', '-n', namespace, name!, '-o', 'jsonpath={.status.podIPs[*].ip}'))
    .trim()
    .split(' ');
}

const marked = (namespace: string, marker: string): Promise<LoadReport> =>
  load(
    namespace,
    'deploy/client',
    '-url',
    'http://server:8080/',
    '-headers',
    `x-marker=${marker}`,
    '-count',
    '20',
  );

beforeAll(async () => {
  await apply([namespace(NS), namespace(PLAIN, {})]);
  for (const ns of [NS, PLAIN])
    await deploy({ namespace: ns, name: 'server' }, { namespace: ns, name: 'client' });
});

afterAll(() => kubectl('delete', 'namespace', NS, PLAIN, '--wait=false'));

test('between meshed pods no byte of a marker crosses the wire, and the same capture finds the one without the mesh', async () => {
  const ips = [...(await podIps(NS, 'app=server')), ...(await podIps(PLAIN, 'app=server'))];
  const seen = await capture(ips, UNMESHED_MARKER, async () => {
    expect((await marked(NS, MESHED_MARKER)).failures).toEqual({});
    expect((await marked(PLAIN, UNMESHED_MARKER)).failures).toEqual({});
  });
  expect(seen).toContain(UNMESHED_MARKER);
  expect(seen).not.toContain(MESHED_MARKER);
});

test('the receiver speaks TLS 1.3 with the post-quantum group and shows its own SPIFFE name', async () => {
  const address = `${(await podIps(NS, 'app=server'))[0]}:8080`;
  // OpenSSL 3.0 has no ML-KEM: the client below offers it through Node 24's own OpenSSL 3.5.
  const said = await run('ip', [...['netns', 'exec', NETNS, 'node', 'e2e/support/tls-peer.mjs', address]]);
  const peer = JSON.parse(said) as { protocol: string; group: string; uris: string };
  expect(peer).toEqual({
    protocol: 'TLSv1.3',
    group: 'X25519MLKEM768',
    uris: `URI:spiffe://cluster.local/ns/${NS}/sa/server`,
  });
});

test('a caller with a certificate of another authority is refused', async () => {
  const address = `${(await podIps(NS, 'app=server'))[0]}:8080`;
  const said = await run('ip', [
    'netns',
    'exec',
    NETNS,
    'node',
    'e2e/support/tls-peer.mjs',
    address,
    '--foreign',
  ]);
  expect(JSON.parse(said)).toMatchObject({ refused: expect.stringMatching(/alert|reset/i) });
});
