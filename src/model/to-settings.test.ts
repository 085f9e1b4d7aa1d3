import { expect, test } from '@jest/globals';
import { meshConfig } from '../api/index.js';
import { fieldsOf, toStructural } from '../api/schema/structural.js';
import { DEFAULT_SETTINGS } from './settings.js';
import { toSettings } from './to-settings.js';

const config = (spec: object): object => ({
  apiVersion: 'weft.dev/v1alpha1',
  kind: 'MeshConfig',
  metadata: { name: 'default' },
  spec,
});

test('without a MeshConfig the installation decides', () => {
  const installed = { ...DEFAULT_SETTINGS, mtls: 'strict' as const };
  for (const nothing of [undefined, null, {}, config({ mtls: { mode: 'Odd' } })]) {
    expect(toSettings(installed, nothing)).toEqual(installed);
  }
});

/** Every field of a MeshConfig, with a value that is not the default and what becomes of it. */
const WORKING: Record<string, [object, object]> = {
  'spec.mtls.mode': [{ mtls: { mode: 'Strict' } }, { mtls: 'strict' }],
  'spec.outbound.policy': [{ outbound: { policy: 'RegistryOnly' } }, { outbound: 'registryOnly' }],
  'spec.forwarding.via': [{ forwarding: { via: true } }, { via: true }],
  'spec.forwarding.forwarded': [{ forwarding: { forwarded: true } }, { forwarded: true }],
};

const leaves = fieldsOf(toStructural(meshConfig.spec), 'spec').filter(
  ([, schema]) => schema.properties === undefined,
);

test.each(leaves.map(([field]) => field))('%s works', (field) => {
  const [spec, want] = WORKING[field]!;
  expect(toSettings(DEFAULT_SETTINGS, config(spec))).toEqual({ ...DEFAULT_SETTINGS, ...want });
});

test('a MeshConfig can say the defaults aloud', () => {
  const spec = {
    mtls: { mode: 'Permissive' },
    outbound: { policy: 'AllowAny' },
    forwarding: { via: false, forwarded: false },
  };
  const others = { mtls: 'strict', outbound: 'registryOnly', via: true, forwarded: true } as const;
  const installed = { ...DEFAULT_SETTINGS, ...others };
  expect(toSettings(installed, config(spec))).toEqual(DEFAULT_SETTINGS);
});
