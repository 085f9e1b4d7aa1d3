import { expect, test } from '@jest/globals';
import { placedManifests } from './manifests.js';

const TEXT = `# a policy
apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
spec:
  routes:
    - name: a
      timeouts: {request: 1s, perTry: 2s}
---
{"apiVersion": "v1", "kind": "List", "items": [
  {"kind": "Service"},
  {"kind": "Service", "spec": {"ports": [{"port": 1}]}}
]}
`;

const at = (document: number, path: string): string => {
  const { line, column } = placedManifests(TEXT, 'text')[document]!.positionOf(path);
  return `${line}:${column}`;
};

test('a field stands where its name does, an element of a list where it begins', () => {
  expect(at(0, 'spec')).toBe('4:1');
  expect(at(0, 'spec.routes[0]')).toBe('6:7');
  expect(at(0, 'spec.routes[0].timeouts.perTry')).toBe('7:31');
  expect(at(2, 'spec.ports[0].port')).toBe('11:43');
});

test('what is not there stands where the nearest field around it does', () => {
  expect(at(0, 'spec.routes[0].timeouts.idle')).toBe('7:7');
  expect(at(0, 'spec.routes[7].name')).toBe('5:3');
  expect(at(0, 'metadata.name')).toBe('2:1');
  expect(at(1, 'spec.selector')).toBe('10:3');
});
