import { expect, test } from '@jest/globals';
import { nativeSidecars } from './servers.js';

test.each([
  [['v1.34.4', 'v1.29.0'], true],
  [['v1.34.4', 'v1.28.15'], false],
  [['v2.0.1'], true],
  [['v1.30+'], true],
  [['custom build'], true],
  [[], true],
])('the oldest kubelet of %j decides about native sidecars: %s', (kubelets, native) => {
  expect(nativeSidecars(kubelets)).toBe(native);
});
