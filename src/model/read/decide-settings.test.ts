import { expect, test } from '@jest/globals';
import { meshConfig } from '../../api/index.js';
import { fieldsOf, toStructural } from '../../api/schema/structural.js';
import { decideSettings } from './decide-settings.js';
import { decodeKnownSettings, encodeKnownSettings } from './known-settings.js';
import { readMeshConfig } from './read-mesh-config.js';
import { atLeast } from '../words/setting-words.js';
import { DEFAULT_SETTINGS } from '../words/settings.js';

const SECURE = { mtls: 'strict', outbound: 'registryOnly' } as const;
const OPEN = { mtls: 'permissive', outbound: 'allowAny' } as const;
const floor = {
  ...DEFAULT_SETTINGS,
  ...SECURE,
  mtlsMinimum: 'strict',
  outboundMinimum: 'registryOnly',
} as const;

const config = (spec: object) =>
  readMeshConfig({
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'MeshConfig',
    metadata: { name: 'default' },
    spec,
  });

const OPENING = { mtls: { mode: 'Permissive' }, outbound: { policy: 'AllowAny' } };
/** A field of a version that is newer than this one. */
const NEWER = { admission: { mode: 'Odd' } };

const SERVICE = { namespace: 'observability', name: 'collector', port: 4318 };
const TRACING = { collector: { service: SERVICE, protocol: 'HTTP' }, sampling: { percent: 5 } };
const TRACED = { service: SERVICE, protocol: 'http', sampling: { numerator: 5, denominator: 100 } };

const LOG = {
  mode: 'Selected',
  select: { outcomes: ['Error', 'Denied'], slowerThan: '1s500ms', sampling: { percent: 5 } },
  query: 'Remove',
  format: 'Text',
  omitFields: ['peer'],
  requestHeaders: ['X-Request-Id'],
  collector: { service: SERVICE, protocol: 'HTTP' },
  stdout: 'Disabled',
};
const LOGGED = {
  mode: 'selected',
  select: {
    errors: true,
    denied: true,
    slowerThanMs: 1500,
    sampling: { numerator: 5, denominator: 100 },
  },
  removeQuery: true,
  format: 'text',
  omit: ['peer'],
  requestHeaders: ['x-request-id'],
  collector: { service: SERVICE, protocol: 'http' },
  silent: true,
};
const tenThousandth = { ...LOG.select, sampling: { fraction: { numerator: 1, denominator: 10_000 } } };

/** Every field of a MeshConfig, with a value that is not the default and what becomes of it. */
const WORKING: Record<string, [object, object]> = {
  'spec.mtls.mode': [{ mtls: { mode: 'Strict' } }, { mtls: 'strict' }],
  'spec.outbound.policy': [{ outbound: { policy: 'RegistryOnly' } }, { outbound: 'registryOnly' }],
  'spec.access.default': [{ access: { default: 'DryRunDeny' } }, { access: 'wouldDeny' }],
  ...Object.fromEntries(
    ['service.name', 'service.namespace', 'service.port', 'protocol'].map((field) => [
      `spec.tracing.collector.${field}`,
      [{ tracing: TRACING }, { tracing: TRACED }],
    ]),
  ),
  'spec.tracing.sampling.percent': [{ tracing: TRACING }, { tracing: TRACED }],
  ...Object.fromEntries(
    ['numerator', 'denominator'].map((field) => [
      `spec.tracing.sampling.fraction.${field}`,
      [
        { tracing: { ...TRACING, sampling: { fraction: { numerator: 1, denominator: 1000 } } } },
        { tracing: { ...TRACED, sampling: { numerator: 1, denominator: 1000 } } },
      ],
    ]),
  ),
  ...Object.fromEntries(
    [
      'mode',
      'select.outcomes',
      'select.slowerThan',
      'select.sampling.percent',
      'query',
      'format',
      'omitFields',
      'requestHeaders',
      'collector.service.name',
      'collector.service.namespace',
      'collector.service.port',
      'collector.protocol',
      'stdout',
    ].map((field) => [`spec.accessLog.${field}`, [{ accessLog: LOG }, { accessLog: LOGGED }]]),
  ),
  ...Object.fromEntries(
    ['numerator', 'denominator'].map((field) => [
      `spec.accessLog.select.sampling.fraction.${field}`,
      [
        { accessLog: { ...LOG, select: tenThousandth } },
        {
          accessLog: {
            ...LOGGED,
            select: { ...LOGGED.select, sampling: { numerator: 1, denominator: 10_000 } },
          },
        },
      ],
    ]),
  ),
  'spec.forwarding.via': [{ forwarding: { via: true } }, { via: true }],
  'spec.forwarding.forwarded': [{ forwarding: { forwarded: true } }, { forwarded: true }],
};

const leaves = fieldsOf(toStructural(meshConfig.spec), 'spec').filter(
  ([, schema]) => schema.properties === undefined,
);

test.each(leaves.map(([field]) => field))('%s works', (field) => {
  const [spec, want] = WORKING[field]!;
  const decided = decideSettings(DEFAULT_SETTINGS, {}, config(spec));
  expect(decided).toEqual({ settings: { ...DEFAULT_SETTINGS, ...want }, problems: [] });
});

test('without a MeshConfig, now or before, the installation decides', () => {
  expect(decideSettings(floor, {}, undefined)).toEqual({ settings: floor, problems: [] });
});

test('deleting the MeshConfig opens nothing, and what is no security setting goes back to its default', () => {
  const { settings } = decideSettings(DEFAULT_SETTINGS, { ...SECURE, via: true }, undefined);
  expect(settings).toEqual({ ...DEFAULT_SETTINGS, ...SECURE });
});

test('a MeshConfig that leaves a security setting out does not lower it, one that says so does', () => {
  const silent = decideSettings(DEFAULT_SETTINGS, SECURE, config({ forwarding: { via: true } }));
  expect(silent.settings).toMatchObject({ ...SECURE, via: true });
  const lowered = decideSettings(DEFAULT_SETTINGS, SECURE, config(OPENING));
  expect(lowered).toEqual({ settings: { ...DEFAULT_SETTINGS, ...OPEN }, problems: [] });
});

test.each([
  ['with a field of a newer version', { ...OPENING, ...NEWER }],
  ['without anything in it', undefined],
  ['with a value of the wrong type', { mtls: 3, outbound: 'no' }],
])('a MeshConfig %s keeps what was known and says what is wrong', (_what, spec) => {
  const read = config(spec as object);
  expect(read.problems[0]).toMatchObject({ condition: 'Accepted', reason: 'Invalid' });
  const { settings, problems } = decideSettings(DEFAULT_SETTINGS, { ...SECURE, via: true }, read);
  // What it says of the log cannot be read: policies that log show no queries.
  const accessLog = {
    mode: 'off',
    removeQuery: true,
    format: 'json',
    omit: [],
    requestHeaders: [],
    silent: false,
  };
  expect(settings).toEqual({ ...DEFAULT_SETTINGS, ...SECURE, via: true, accessLog });
  expect(problems).toEqual(read.problems);
});

test('a MeshConfig that cannot be read as a whole still makes the mesh as strict as it says', () => {
  const read = config({ mtls: { mode: 'Strict' }, outbound: { policy: 'ListedOnly' }, ...NEWER });
  expect(read.said).toEqual({ mtls: 'strict', outbound: 'registryOnly' });
  expect(decideSettings(DEFAULT_SETTINGS, {}, read).settings).toMatchObject(SECURE);
});

test.each([
  ['an object', {}, config(OPENING)],
  ['what was known', OPEN, undefined],
  ['an object that cannot be read', OPEN, config({ ...OPENING, ...NEWER })],
])('%s cannot go below the minimum of the installation', (_what, known, read) => {
  expect(decideSettings(floor, known, read).settings).toMatchObject(floor);
});

test('a MeshConfig below the minimum is told so, by field', () => {
  const { problems } = decideSettings(floor, {}, config(OPENING));
  expect(problems.map(({ reason, field }) => [reason, field])).toEqual([
    ['BelowMinimum', 'spec.mtls.mode'],
    ['BelowMinimum', 'spec.outbound.policy'],
  ]);
  expect(decideSettings(floor, {}, config({ mtls: { mode: 'Strict' } })).problems).toEqual([]);
});

test('mutual TLS is turned off only where the installation permits it, and never by saying nothing', () => {
  const off = config({ mtls: { mode: 'Disabled' } });
  const refused = decideSettings(DEFAULT_SETTINGS, {}, off);
  expect(refused.settings.mtls).toBe('permissive');
  expect(refused.problems).toMatchObject([{ reason: 'BelowMinimum', field: 'spec.mtls.mode' }]);
  const permitting = atLeast(DEFAULT_SETTINGS, { mtls: 'Disabled', outbound: 'AllowAny', access: 'Allow' });
  expect(decideSettings(permitting, {}, undefined).settings.mtls).toBe('permissive');
  expect(decideSettings(permitting, {}, off)).toMatchObject({ settings: { mtls: 'disabled' }, problems: [] });
  expect(decideSettings(DEFAULT_SETTINGS, { mtls: 'disabled' }, undefined).settings.mtls).toBe('permissive');
});

test('the default of access has a minimum as well', () => {
  const closed = atLeast(DEFAULT_SETTINGS, { mtls: 'Permissive', outbound: 'AllowAny', access: 'Deny' });
  const open = decideSettings(closed, { access: 'allow' }, config({ access: { default: 'Allow' } }));
  expect(open.settings.access).toBe('deny');
  expect(open.problems).toMatchObject([{ reason: 'BelowMinimum', field: 'spec.access.default' }]);
});

test('known settings survive being written down', () => {
  const settings = { ...SECURE, access: 'wouldDeny', via: true, forwarded: false } as const;
  const known = { settings, uid: 'uid-1', generation: 3 };
  expect(decodeKnownSettings(encodeKnownSettings(known))).toEqual(known);
});

test.each([
  ['a word of a newer version', JSON.stringify({ mtls: 'StrictPlus', outbound: 'None', more: 1 })],
  ['a setting that got lost', '{}'],
  ['damaged text', '{"mtls": "Permissive"'],
  ['another kind of text', '"Permissive"'],
])('%s in known settings counts as the strictest', (_what, text) => {
  expect(decodeKnownSettings(text).settings).toMatchObject(SECURE);
});

test.each([
  ['a word that is not known', JSON.stringify({ ...OPEN, access: 'Odd' }), 'deny'],
  ['damaged text', '{"access": "Allow"', 'deny'],
  ['a record of a version without access rules', JSON.stringify(OPEN), undefined],
])('what %s in known settings says about access', (_what, text, access) => {
  expect(decodeKnownSettings(text).settings.access).toBe(access);
});
