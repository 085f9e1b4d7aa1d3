import { expect, test } from '@jest/globals';
import { Resources } from '../kube/index.js';
import { serviceNotes } from './service-events.js';

const notes = (spec: object, tlsByMesh = false): string[] => {
  const raw = { metadata: { name: 'web', namespace: 'shop' }, spec: { ports: [{ port: 80 }], ...spec } };
  return serviceNotes(Resources.service.keep(raw), tlsByMesh).map(
    ({ reason, message }) => `${reason} ${message}`,
  );
};

test.each([
  { sessionAffinity: 'ClientIP' },
  { internalTrafficPolicy: 'Local' },
  { trafficDistribution: 'PreferSameNode' },
])('what the mesh does as kube-proxy would is not told: %j', (spec) => {
  expect(notes(spec)).toEqual([]);
});

test('what the API server fills in is not told', () => {
  const spec = {
    sessionAffinity: 'None',
    internalTrafficPolicy: 'Cluster',
    trafficDistribution: 'PreferClose',
  };
  expect(notes(spec)).toEqual([]);
});

test('plain HTTP on the port of TLS is doubtful, unless the mesh opens TLS there', () => {
  const spec = { ports: [{ port: 443, appProtocol: 'http' }] };
  expect(notes(spec)).toEqual([expect.stringMatching(/^DoubtfulProtocol port 443: .* BackendTLSPolicy$/)]);
  expect(notes(spec, true)).toEqual([]);
});
