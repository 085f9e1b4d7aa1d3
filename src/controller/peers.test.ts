import { beforeEach, expect, test } from '@jest/globals';
import { Resources, Store, type Pod } from '../kube/index.js';
import { untilPasses } from '../testing/index.js';
import { EMPTY_REPORT, acksConfigMap, type AckReport } from './ack-summary.js';
import { OwnAcks, standingsOf } from './acks.js';
import type { ReplicaReport } from './kinds/own-records.js';
import { Peers } from './peers.js';

const UID = 'policy-1';
const at = { namespace: 'weft-system' };
const LEAVES_MS = 80;

let version = 0;
let pods: Store<Pod>;
let acks: Store<ReplicaReport>;
let peers: Peers;

beforeEach(() => {
  const report = (thrown: unknown): void => {
    throw thrown;
  };
  pods = new Store<Pod>(report);
  acks = new Store<ReplicaReport>(report);
  const view = { pods: { store: pods }, acks: { store: acks } };
  const pod = { name: 'weft-1', uid: 'weft-1' };
  peers = new Peers({ view, pod, systemNamespace: 'weft-system', leavesMs: LEAVES_MS });
});

function setPod(name: string, ready: boolean): void {
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  const metadata = { ...at, name, resourceVersion: `${++version}` };
  pods.set(Resources.pod.keep({ metadata, spec: {}, status: { conditions } }));
}

function setReport(name: string, generation: number, rest: Partial<AckReport> = {}): void {
  const counts = { generation, subscribers: 3, acknowledged: 3, rejected: 0, late: 0, outliers: [] };
  const { metadata } = Resources.configMap.keep({
    metadata: { ...at, name: acksConfigMap(name), resourceVersion: `${++version}` },
  });
  acks.set({ metadata, report: { ...EMPTY_REPORT, policies: { [UID]: counts }, ...rest } });
}

const generations = (): number[] =>
  standingsOf(UID, new OwnAcks(0), peers).replicas.map(({ generation }) => generation);

test('a replica that hangs counts until its proxies had time to leave it, and the leader looks again by then', async () => {
  setPod('weft-2', true);
  setReport('weft-2', 1);
  expect(generations()).toEqual([1]);
  setPod('weft-2', false);
  setPod('weft-2', false);
  expect(generations()).toEqual([1]);
  const { againAfterMs } = standingsOf(UID, new OwnAcks(0), peers);
  expect(againAfterMs).toBeLessThanOrEqual(LEAVES_MS);
  expect(standingsOf('another', new OwnAcks(0), peers).againAfterMs).toBeUndefined();
  await untilPasses(() => expect(generations()).toEqual([]));
  setPod('weft-2', true);
  expect(generations()).toEqual([1]);
});

test('what a replica reports anew after its container restarted counts at once', () => {
  setPod('weft-2', false);
  setReport('weft-2', 1);
  expect(generations()).toEqual([1]);
  setReport('weft-2', 1, { policies: {} });
  expect(generations()).toEqual([]);
});

test('neither this replica itself counts, nor one whose pod is gone, nor a pod of that name elsewhere', () => {
  for (const name of ['weft-1', 'weft-gone']) setReport(name, 1);
  pods.set(
    Resources.pod.keep({
      metadata: { namespace: 'shop', name: 'weft-gone', resourceVersion: '1' },
      spec: {},
    }),
  );
  expect(generations()).toEqual([]);
});

test('nothing is settled while a replica, this or another, has just begun to serve', async () => {
  const own = new OwnAcks(LEAVES_MS);
  own.follow({ acksOf: () => undefined, rejections: () => [], onAcks: () => undefined });
  expect(standingsOf(UID, own, peers)).toMatchObject({ isSettled: false });
  expect(standingsOf(UID, own, peers).againAfterMs).toBeLessThanOrEqual(LEAVES_MS);
  await untilPasses(() => expect(standingsOf(UID, own, peers).isSettled).toBe(true));
  setPod('weft-2', true);
  setReport('weft-2', 1, { settled: false });
  expect(standingsOf(UID, own, peers).isSettled).toBe(false);
  setReport('weft-2', 1);
  expect(standingsOf(UID, own, peers)).toMatchObject({ isSettled: true, againAfterMs: undefined });
  expect(standingsOf(UID, new OwnAcks(LEAVES_MS), peers).isSettled).toBe(false);
});
