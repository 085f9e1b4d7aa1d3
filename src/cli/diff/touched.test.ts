import { expect, test } from '@jest/globals';
import { aMesh } from '../../testing/mesh.js';
import { saidEdge } from '../../telemetry/seen.fixture.js';
import type { Known, KnownPod } from '../findings/index.js';
import { touchedBy } from './touched.js';

const PODS = 20_000;

test('a workload of many pods, each with changes of its own, is counted once at the ports that they are about', () => {
  const names = Array.from({ length: PODS }, (_, number) => `big-${number}`);
  const pods = names.map((name) => ({
    object: { namespace: 'shop', name, raw: { metadata: { ownerReferences: [OWNER] } } },
    labels: { 'pod-template-hash': '7' },
  })) as unknown as readonly KnownPod[];
  const known = { pods, mesh: aMesh() } as unknown as Known;
  const inbound = (port: string) => ({
    ...saidEdge({ by: 'big', direction: 'inbound', port, counts: { ok: 1 } }),
    seconds: 60,
  });
  const touched = touchedBy(known, known, {
    destinations: [],
    workloads: names.map((name, number) => ({
      pods: [`shop/${name}`],
      changes: [{ what: `port ${8080 + (number % 2)}: mode`, before: 'a', after: 'b' }],
    })),
    access: [],
    remembered: {
      edges: ['8080', '8081', '9090'].map(inbound),
      minutes: 30,
      partial: 0,
      notes: [],
    },
  });
  expect(touched.received.map(({ workload, port }) => `${workload} ${port}`)).toEqual([
    'shop/deployment/big 8080',
    'shop/deployment/big 8081',
  ]);
});

const OWNER = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'big-7', controller: true };
