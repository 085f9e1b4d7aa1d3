import { expect, test } from '@jest/globals';
import { brokenRules } from '../testing/cel-rules.js';
import { specSchema } from './generate/kind-schema.js';
import { meshConfig } from './v1alpha1/mesh-config.js';
import { violations } from './analyze.js';

test.each([
  ['Authorization', false],
  ['x-API-key', false],
  ['apikey', false],
  ['x-session-id', false],
  ['Set-Cookie', false],
  ['X-Request-Id', true],
  ['user-agent', true],
])('%s among the headers that are logged: %p, and the API server says the same', (name, allowed) => {
  const spec = { accessLog: { mode: 'All', requestHeaders: [name] } };
  const object = { apiVersion: 'weft.dev/v1alpha1', kind: 'MeshConfig', metadata: { name: 'default' }, spec };
  const expected = allowed ? [] : ['spec.accessLog.requestHeaders'];
  expect(violations(meshConfig, object).map(({ path }) => path)).toEqual(expected);
  expect(brokenRules(specSchema(meshConfig), spec, 'spec').map(({ path }) => path)).toEqual(expected);
});

test.each([
  [{ stdout: 'Disabled' }, ['spec.accessLog.stdout']],
  [{ stdout: 'Enabled' }, []],
  [{ stdout: 'Disabled', collector: { service: { name: 'a', namespace: 'b', port: 4317 } } }, []],
])('a log that goes nowhere is refused: %j', (sinks, expected) => {
  const spec = { accessLog: { mode: 'All', ...sinks } };
  const object = { apiVersion: 'weft.dev/v1alpha1', kind: 'MeshConfig', metadata: { name: 'default' }, spec };
  expect(violations(meshConfig, object).map(({ path }) => path)).toEqual(expected);
  expect(brokenRules(specSchema(meshConfig), spec, 'spec').map(({ path }) => path)).toEqual(expected);
});
