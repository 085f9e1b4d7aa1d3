import { describe, expect, test } from '@jest/globals';
import { toExternalService } from '../model/index.js';
import { brokenRules } from '../testing/cel-rules.js';
import { analyze } from './analyze.js';
import { specSchema } from './generate/kind-schema.js';
import { externalService } from './v1alpha1/external-service.js';

const TLS = { port: 443, protocol: 'TLS' };
const TCP = { port: 5432, protocol: 'TCP' };
const ORIGINATE = { mode: 'Originate', wellKnownCACertificates: 'System' };
const originating = (tls: object): object => ({
  hosts: ['api.example.com'],
  ports: [{ port: 80, protocol: 'HTTP', tls: { mode: 'Originate', ...tls } }],
});
const CONFIG_MAP = { group: '', kind: 'ConfigMap', name: 'ca' };
const HOSTS = { hosts: ['api.example.com'] };

const written = (spec: object): Record<string, unknown> => ({
  apiVersion: 'weft.dev/v1alpha1',
  kind: 'ExternalService',
  metadata: { name: 'a', namespace: 'shop' },
  spec,
});

const schema = specSchema(externalService);
const server = (spec: object): string[] =>
  brokenRules(schema, spec, 'spec').map(({ path, message }) => `${path}: ${message}`);
const told = (spec: object): string[] =>
  analyze([written(spec)]).map(({ path, message }) => `${path}: ${message}`);

describe('what is good', () => {
  test.each<[string, object]>([
    ['a host', { ...HOSTS, ports: [TLS] }],
    ['names below one', { hosts: ['*.s3.eu-west-1.amazonaws.com', '_a.b-c.xn--p1ai'], ports: [TLS] }],
    ['bytes', { ports: [TCP], addresses: ['203.0.113.7/32', '2001:db8::/32'] }],
    ['everything', { ...HOSTS, ports: [TLS, TCP], addresses: ['10.0.0.0/8'], serviceAccounts: ['web'] }],
    ['private addresses', { ...HOSTS, ports: [TLS], privateAddresses: 'Allow' }],
    ['TLS of the proxy', originating(ORIGINATE)],
    [
      'all of it',
      originating({
        port: 8443,
        caCertificateRefs: [
          CONFIG_MAP,
          { group: 'certificates.k8s.io', kind: 'ClusterTrustBundle', name: 'corp.ca' },
        ],
        subjectAltNames: [
          { type: 'Hostname', hostname: '*.example.com' },
          { type: 'URI', uri: 'spiffe://example.com/api' },
        ],
      }),
    ],
  ])('%s', (_what, spec) => {
    expect(server(spec)).toEqual([]);
    expect(told(spec)).toEqual([]);
    expect(toExternalService(written(spec)).problems).toEqual([]);
  });
});

describe('what contradicts itself is refused by all, with the same words', () => {
  test.each<[string, object, string]>([
    [
      'TLS without hosts',
      { ports: [TLS], addresses: ['10.0.0.0/8'] },
      'spec.ports: a port for TLS or HTTP needs hosts',
    ],
    [
      'bytes without addresses',
      { ...HOSTS, ports: [TLS, TCP] },
      'spec.ports: a port for TCP needs addresses',
    ],
    [
      'hosts of bytes',
      { ...HOSTS, ports: [TCP], addresses: ['10.0.0.0/8'] },
      'spec.hosts: a port for TCP does not look',
    ],
    [
      'a port twice',
      { ...HOSTS, ports: [TLS, { ...TLS, protocol: 'HTTP' }] },
      'spec.ports: has the same port twice',
    ],
    [
      'TLS of the proxy around that of the application',
      { ...HOSTS, ports: [{ ...TLS, tls: ORIGINATE }] },
      'spec.ports[0].tls: the proxy opens TLS for HTTP only',
    ],
    [
      'TLS without an authority',
      originating({}),
      'spec.ports[0].tls: needs either caCertificateRefs or wellKnownCACertificates',
    ],
    [
      'TLS with authorities of both kinds',
      originating({ caCertificateRefs: [CONFIG_MAP], ...ORIGINATE }),
      'spec.ports[0].tls: needs either caCertificateRefs or wellKnownCACertificates',
    ],
    [
      'a ConfigMap of a group',
      originating({ caCertificateRefs: [{ ...CONFIG_MAP, group: 'certificates.k8s.io' }] }),
      'spec.ports[0].tls.caCertificateRefs[0].group: a ConfigMap has group ""',
    ],
    [
      'a name of another type',
      originating({ ...ORIGINATE, subjectAltNames: [{ type: 'URI', hostname: 'a.example.com' }] }),
      'spec.ports[0].tls.subjectAltNames[0]: needs hostname with type Hostname',
    ],
    [
      'private addresses of no name',
      { ...HOSTS, ports: [TLS], addresses: ['10.0.0.0/8'], privateAddresses: 'Allow' },
      'spec.privateAddresses: only matters where names are looked up',
    ],
  ])('%s', (_what, spec, message) => {
    const want = expect.stringContaining(message);
    expect(server(spec)).toContainEqual(want);
    expect(told(spec)).toContainEqual(want);
    expect(toExternalService(written(spec)).service).toBeUndefined();
  });
});

test.each([
  '*',
  '*.com.',
  'Api.example.com',
  '10.0.0.1',
  '127.1',
  '0x7f.1',
  'a.1',
  'a.0x1',
  '2130706433',
  '[::1]',
  'a..b',
  'a.*.com',
  'com',
  'a.com:443',
  'https://a.com',
  'bücher.example',
  '-a.com',
  'a-.com',
  '*.',
])('%s is no host', (host) => {
  expect(toExternalService(written({ hosts: [host], ports: [TLS] })).service).toBeUndefined();
});

test.each(['10.0.0.0', '10.0.0.0/33', '::ffff:10.0.0.0/104', '2001:db8::/129', '300.0.0.0/8', 'a/8'])(
  '%s is no block of addresses',
  (block) => {
    const { service, problems } = toExternalService(written({ ports: [TCP], addresses: [block] }));
    expect(service).toBeUndefined();
    expect(problems[0]?.field).toMatch(/^spec\.addresses/);
  },
);
