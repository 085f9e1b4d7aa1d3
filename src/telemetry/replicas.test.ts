import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { connectPlain, type KubeClient } from '../kube/index.js';
import { ApiServer } from '../testing/index.js';
import { Counted } from './measures.js';
import { Replicas } from './replicas.js';
import { saidEdge, saidHistory } from './seen.fixture.js';

let api: ApiServer;
let client: KubeClient;

beforeEach(async () => {
  api = await ApiServer.start();
  client = connectPlain(api.url);
  api.onPost('/api/v1/namespaces/weft-system/serviceaccounts/weft-default-view/token', () => ({
    status: 201,
    body: { status: { token: 'a-token' } },
  }));
});

afterEach(async () => {
  client.close();
  await api.stop();
});

function putReplica(name: string, history: object | undefined): void {
  api.put('/api/v1/pods', {
    metadata: {
      name,
      namespace: 'weft-system',
      labels: { 'app.kubernetes.io/name': 'weft', 'weft.dev/rev': 'default' },
    },
    spec: { containers: [] },
    status: { phase: 'Running' },
  });
  if (history === undefined) return;
  const path = `/api/v1/namespaces/weft-system/pods/https:${name}:15114/proxy/history`;
  api.onGet(path, () => JSON.stringify(history));
}

const edge = saidEdge({ by: 'web', counts: { ok: 10, denied: 1 } });

test('minutes of replicas stand beside each other, and one that nobody remembers is not zero', async () => {
  putReplica('a', { ...saidHistory([edge]), endedMs: 5_000, coversMs: 125_000 });
  putReplica('b', { ...saidHistory([edge]), endedMs: 50_000, coversMs: 240_000 });
  const { minutes, endedMs, partial, notes } = await new Replicas(client, 'weft-system').minutes();
  expect(endedMs).toBe(50_000);
  expect(minutes.map((edges) => edges?.length)).toEqual([...new Array(27).fill(undefined), 2, 2, 2]);
  // What the younger of them does not remember may have been more.
  expect(partial).toEqual([...new Array(27).fill(false), true, false, false]);
  expect(notes).toEqual([]);
  expect(minutes[29]?.[0]).toMatchObject({ service: 'shop/reviews', seconds: 60 });
  expect(minutes[29]?.[0]?.counts?.[Counted.ok]).toBe(60);
  expect(minutes[29]?.[0]?.counts?.[Counted.denied]).toBe(6);
});

test('replicas that are older than the history are left out, which is told; where all are, that is an error', async () => {
  putReplica('a', undefined);
  await expect(new Replicas(client, 'weft-system').minutes()).rejects.toThrow(/could not find|not found/);
  putReplica('b', saidHistory([edge]));
  const { minutes, partial, notes } = await new Replicas(client, 'weft-system').minutes();
  expect(minutes[0]).toHaveLength(1);
  expect(partial).toEqual(new Array(30).fill(true));
  expect(notes).toEqual([expect.stringMatching(/^a did not answer, so its proxies are missing: /)]);
});

test('root and issuer of all replicas are told once, and who does not tell them is named', async () => {
  const life = (print: string, notAfter: number): object => ({
    subject: `CN=${print}`,
    sha256: print,
    notBefore: 0,
    notAfter,
  });
  const tells = (name: string, answer: object): void => {
    putReplica(name, undefined);
    const path = `/api/v1/namespaces/weft-system/pods/https:${name}:15114/proxy/authority`;
    api.onGet(path, () => JSON.stringify(answer));
  };
  tells('a', { issuer: life('old', 5), roots: [life('root', 9)] });
  tells('b', { issuer: life('new', 7), roots: [life('root', 9), life('next', 12)] });
  putReplica('c', undefined);
  const { issuers, roots, notes } = await new Replicas(client, 'weft-system').authority();
  expect(issuers.map(({ sha256 }) => sha256)).toEqual(['new', 'old']);
  expect(roots.map(({ sha256 }) => sha256)).toEqual(['next', 'root']);
  expect(notes).toEqual([expect.stringMatching(/^c did not answer/)]);
});
