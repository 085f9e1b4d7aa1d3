const SERVICE = { name: 'next', port: 8080 };
const checked = (fields: object): object => ({
  externalAuthorization: { service: SERVICE, ...fields },
});

/** Specs with external checks that are good by themselves. */
export const GOOD_EXTERNAL_CHECKS: readonly (readonly [what: string, spec: object])[] = [
  ['an external check', checked({})],
  [
    'an external check with everything',
    checked({
      service: { ...SERVICE, namespace: 'policy' },
      timeout: '10s',
      onFailure: 'Allow',
      allowedHeaders: ['Authorization', 'cookie'],
      exempt: [{ exact: '/healthz', method: 'GET' }, { prefix: '/public' }],
      mode: 'DryRun',
    }),
  ],
  [
    'an external check over HTTP, with bodies',
    checked({
      protocol: 'HTTP',
      http: {
        path: '/auth/v1/',
        allowedResponseHeaders: ['X-User'],
        allowedClientHeaders: ['Set-Cookie'],
      },
      body: { maxBytes: 8192, onTooLong: 'SendPartial' },
    }),
  ],
];

/** Specs with external checks that cannot be, the field that is blamed, and what is said about it. */
export const BAD_EXTERNAL_CHECKS: readonly (readonly [
  what: string,
  spec: object,
  field: string,
  message: string,
])[] = [
  [
    'an external check that waits for a minute',
    checked({ timeout: '1m' }),
    'spec.externalAuthorization.timeout',
    'must be between 1ms and 10s',
  ],
  [
    'an external check that waits for nothing',
    checked({ timeout: '0ms' }),
    'spec.externalAuthorization.timeout',
    'must be between 1ms and 10s',
  ],
  [
    'an exemption of two paths',
    checked({ exempt: [{ exact: '/a', prefix: '/b' }] }),
    'spec.externalAuthorization.exempt[0]',
    'give either exact or prefix',
  ],
  [
    'an exemption of a whole method',
    checked({ exempt: [{ method: 'GET' }] }),
    'spec.externalAuthorization.exempt[0]',
    'give either exact or prefix',
  ],
  [
    'words about HTTP for a check over gRPC',
    checked({ http: { path: '/auth' } }),
    'spec.externalAuthorization.http',
    'needs protocol HTTP',
  ],
  [
    'a prefix that leads elsewhere',
    checked({ protocol: 'HTTP', http: { path: '/auth/..' } }),
    'spec.externalAuthorization.http.path',
    'must not have the segments . and ..',
  ],
];

const asking = (service: object): object => checked({ service: { ...SERVICE, ...service } });
const overHttp = (http: object): object => checked({ protocol: 'HTTP', http });
const withBody = (body: object): object => checked({ body });
const exempting = (exemption: object): object => checked({ exempt: [{ exact: '/a', ...exemption }] });

/** For each field of a check two specs that differ in it, and that a pod of the Service is told of differently. */
export const EXTERNAL_CHECK_FIELDS: Readonly<Record<string, [object, object]>> = {
  'spec.externalAuthorization.service.name': [asking({}), asking({ name: 'routed' })],
  'spec.externalAuthorization.service.namespace': [asking({}), asking({ namespace: 'elsewhere' })],
  'spec.externalAuthorization.service.port': [asking({}), asking({ port: 8081 })],
  'spec.externalAuthorization.protocol': [checked({}), checked({ protocol: 'HTTP' })],
  'spec.externalAuthorization.http.path': [overHttp({}), overHttp({ path: '/auth' })],
  'spec.externalAuthorization.http.allowedResponseHeaders': [
    overHttp({}),
    overHttp({ allowedResponseHeaders: ['x-user'] }),
  ],
  'spec.externalAuthorization.http.allowedClientHeaders': [
    overHttp({}),
    overHttp({ allowedClientHeaders: ['set-cookie'] }),
  ],
  'spec.externalAuthorization.body.maxBytes': [withBody({ maxBytes: 1 }), withBody({ maxBytes: 2 })],
  'spec.externalAuthorization.body.onTooLong': [
    withBody({ maxBytes: 1 }),
    withBody({ maxBytes: 1, onTooLong: 'SendPartial' }),
  ],
  'spec.externalAuthorization.timeout': [checked({}), checked({ timeout: '1s' })],
  'spec.externalAuthorization.onFailure': [checked({}), checked({ onFailure: 'Allow' })],
  'spec.externalAuthorization.allowedHeaders': [checked({}), checked({ allowedHeaders: ['cookie'] })],
  'spec.externalAuthorization.exempt[].method': [exempting({}), exempting({ method: 'GET' })],
  'spec.externalAuthorization.exempt[].exact': [exempting({}), exempting({ exact: '/b' })],
  'spec.externalAuthorization.exempt[].prefix': [
    checked({ exempt: [{ prefix: '/a' }] }),
    checked({ exempt: [{ prefix: '/b' }] }),
  ],
  'spec.externalAuthorization.mode': [checked({}), checked({ mode: 'DryRun' })],
};
