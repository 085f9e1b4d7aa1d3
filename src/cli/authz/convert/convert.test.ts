import { expect, test } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { analyze } from '../../../api/index.js';
import { convert } from './index.js';
import { toYaml } from './converted.js';

const SERVICES = `
apiVersion: v1
kind: Service
metadata: {name: httpbin, namespace: foo}
spec: {selector: {app: httpbin}, ports: [{port: 8000, targetPort: 80}, {port: 9000, targetPort: grpc}]}
`;

/** Converts YAML; the rules and subjects of each binding by its name, and findings as lines. */
function converted(yaml: string, services = SERVICES): { objects: Record<string, unknown>; said: string[] } {
  const documents = parseAllDocuments(`${yaml}\n---\n${services}`).map(
    (document) => document.toJS() as unknown,
  );
  const { objects, findings } = convert(documents);
  // What was written is what our own schema takes, also after its way through YAML.
  const back = parseAllDocuments(toYaml(objects)).map((document) => document.toJS() as unknown);
  expect(back).toEqual(objects);
  expect(analyze(objects)).toEqual([]);
  const specs = objects as readonly {
    kind: string;
    metadata: { name: string };
    spec: Record<string, unknown>;
  }[];
  const found: Record<string, unknown> = {};
  for (const { kind, metadata, spec } of specs) {
    if (kind !== 'MeshRoleBinding') continue;
    const role = specs.find((one) => one.kind === 'MeshRole' && one.metadata.name === metadata.name);
    const { roleRef, ...rest } = spec;
    expect(roleRef).toEqual({ kind: 'MeshRole', name: metadata.name });
    found[metadata.name] = { ...rest, ...role?.spec };
  }
  return {
    objects: found,
    said: findings.map(({ severity, path, message }) => `${severity} ${path}: ${message}`),
  };
}

const istio = (spec: string, annotations = '{}'): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: httpbin, namespace: foo, annotations: ${annotations}}
spec: ${spec}
`;
const CLOSES: unknown = expect.stringMatching(/^note spec.action: what allows refuses everybody else there/);
const HTTPBIN = 'selector: {matchLabels: {app: httpbin}}';

test.each<[string, string, object]>([
  [
    'a pattern that ends within a segment, of a principal',
    `{${HTTPBIN}, action: ALLOW, rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/curl]}}], to: [{operation: {methods: [GET], paths: ['/info*x/*']}}]}]}`,
    {},
  ],
  [
    'everything that one rule can say',
    `{${HTTPBIN}, rules: [{from: [{source: {principals: [td.example/ns/default/sa/curl], notIpBlocks: [10.1.2.3]}}, {source: {namespaces: [test], ipBlocks: [10.0.0.0/8]}}], to: [{operation: {methods: [GET, POST], ports: ['80'], paths: ['/info', '/api/*', '/u/{*}/o', '/s/{**}']}}], when: [{key: 'request.headers[X-Version]', values: [v1, v2*]}]}]}`,
    {
      httpbin: {
        subjects: [
          {
            allOf: [
              { serviceAccount: { name: 'curl', namespace: 'default', trustDomain: 'td.example' } },
              { not: { cidr: '10.1.2.3/32' } },
            ],
          },
          { allOf: [{ namespace: { name: 'test' } }, { cidr: '10.0.0.0/8' }] },
        ],
        rules: [{ exact: 'v1' }, { prefix: 'v2' }].map((value) => ({
          services: ['httpbin'],
          ports: [8000],
          methods: ['GET', 'POST'],
          paths: ['/info', '/api/*', '/u/{any}/o', '/s/*'],
          headers: [{ name: 'X-Version', ...value }],
        })),
      },
    },
  ],
  [
    'two rules are two bindings, and wildcards that are whole names are said',
    "{rules: [{from: [{source: {principals: ['*']}}]}, {from: [{source: {principals: ['td.example/ns/a/*', 'td.example/*'], notNamespaces: [b]}}]}]}",
    {
      'httpbin-0': { subjects: [{ caller: 'Authenticated' }], rules: [{}] },
      'httpbin-1': {
        subjects: [
          {
            allOf: [
              { namespace: { name: 'a', trustDomain: 'td.example' } },
              { not: { namespace: { name: 'b' } } },
            ],
          },
          { allOf: [{ trustDomain: { name: 'td.example' } }, { not: { namespace: { name: 'b' } } }] },
        ],
        rules: [{}],
      },
    },
  ],
  [
    'an empty rule is everybody and everything',
    '{rules: [{}]}',
    { httpbin: { subjects: [{ caller: 'Anyone' }], rules: [{}] } },
  ],
  ['a policy without rules lets nobody in', '{}', {}],
  [
    'conditions on callers',
    '{rules: [{when: [{key: source.ip, values: [10.0.0.0/8]}, {key: source.namespace, notValues: [dev]}]}]}',
    {
      httpbin: {
        subjects: [{ allOf: [{ cidr: '10.0.0.0/8' }, { not: { namespace: { name: 'dev' } } }] }],
        rules: [{}],
      },
    },
  ],
])('Istio: %s', (_what, spec, expected) => {
  const { objects, said } = converted(istio(spec));
  expect(objects).toEqual(expected);
  expect(said.at(-1)).toEqual(CLOSES);
});

test('Istio: a denial, and a rehearsal', () => {
  const deny = converted(
    istio(
      `{${HTTPBIN}, action: DENY, rules: [{to: [{operation: {paths: ['/admin/*']}}]}]}`,
      "{istio.io/dry-run: 'true'}",
    ),
  );
  expect(deny.said).toEqual([]);
  expect(deny.objects).toEqual({
    httpbin: {
      subjects: [{ caller: 'Anyone' }],
      effect: 'Deny',
      mode: 'DryRun',
      rules: [{ services: ['httpbin'], paths: ['/admin/*'] }],
    },
  });
});

const rule = (from: string, to = '{}'): string => `[{from: [{source: ${from}}], to: [{operation: ${to}}]}]`;

test.each<[string, string]>([
  ['spec.rules[0].from[0].source.remoteIpBlocks', rule('{remoteIpBlocks: [10.0.0.0/8]}')],
  ['spec.rules[0].from[0].source.requestPrincipals', rule("{requestPrincipals: ['*']}")],
  ['spec.rules[0].from[0].source.principals', rule("{principals: ['*/sa/web']}")],
  ['spec.rules[0].from[0].source.namespaces', rule("{namespaces: ['dev-*']}")],
  ['spec.rules[0].to[0].operation.hosts', rule('{}', '{hosts: [a.example]}')],
  ['spec.rules[0].to[0].operation.notPaths', rule('{}', "{notPaths: ['/healthz']}")],
  ['spec.rules[0].to[0].operation.notMethods', rule('{}', '{notMethods: [GET]}')],
  ['spec.rules[0].to[0].operation.paths', rule('{}', "{paths: ['/info*']}")],
  ['spec.rules[0].to[0].operation.paths', rule('{}', "{paths: ['*/info']}")],
  ['spec.rules[0].to[0].operation.paths', rule('{}', "{paths: ['/u/{id}']}")],
  ['spec.rules[0].to[0].operation.methods', rule('{}', "{methods: ['G*']}")],
  ['spec.rules[0].when[0].key', '[{when: [{key: "request.auth.claims[iss]", values: [a]}]}]'],
  ['spec.rules[0].when[0].notValues', '[{when: [{key: "request.headers[x]", notValues: [a]}]}]'],
  ['spec', rule('{}', "{paths: ['/a/../b']}")],
])('Istio: %s is lost where it allows and an error where it denies', (path, rules) => {
  const allow = converted(istio(`{action: ALLOW, rules: ${rules}}`));
  expect(allow.objects).toEqual({});
  expect(allow.said[0]?.startsWith(`lost ${path}: `)).toBe(true);
  const deny = converted(istio(`{action: DENY, rules: ${rules}}`));
  expect(deny.objects).toEqual({});
  expect(deny.said).toHaveLength(1);
  expect(deny.said[0]?.startsWith(`error ${path}: `)).toBe(true);
});

test('Istio: labels of pods are Services that select them, all of them where it denies', () => {
  const version = (action: string): string =>
    istio(`{selector: {matchLabels: {app: httpbin, version: v1}}, action: ${action}, rules: [{}]}`);
  const narrow = parse(SERVICES) as { spec: { selector: object } };
  narrow.spec.selector = { app: 'httpbin', version: 'v1', zone: 'a' };
  const services = JSON.stringify(narrow);
  expect(converted(version('ALLOW'), services).objects).toMatchObject({
    httpbin: { rules: [{ services: ['httpbin'] }] },
  });
  expect(converted(version('DENY'), services).said[0]).toMatch(
    /^error spec.selector: .*selects exactly the pods/,
  );
  expect(converted(version('ALLOW')).said[0]).toMatch(/^lost spec.selector: .*selects only pods/);
});

test.each([
  [istio('{action: CUSTOM, provider: {name: opa}, rules: [{}]}'), 'error spec.action: CUSTOM'],
  [istio('{action: AUDIT, rules: [{}]}'), 'lost spec.action: AUDIT'],
  [
    istio('{rules: [{from: [{source: {principles: [a]}}]}]}'),
    'error spec.rules.0.from.0.source: is not understood',
  ],
  [
    istio('{action: DENY, rules: [{}]}').replace('namespace: foo', 'namespace: istio-system'),
    'error metadata.namespace: ',
  ],
  [istio('{targetRefs: [{kind: Gateway, name: waypoint}], rules: [{}]}'), 'lost spec.targetRefs: Gateway'],
])('Istio: what is nothing of ours is said: %#', (yaml, message) => {
  const { objects, said } = converted(yaml);
  expect(objects).toEqual({});
  expect(said[0]?.startsWith(message)).toBe(true);
});

test('Istio: a denial about requests at every port says that it closes bytes there', () => {
  const deny = (spec: string) => converted(istio(`{action: DENY, ${spec}}`)).said;
  const NOTE = [expect.stringMatching(/^note spec.rules: a denial about requests/)];
  expect(deny("rules: [{to: [{operation: {paths: ['/admin/*']}}]}]")).toEqual(NOTE);
  expect(deny("rules: [{when: [{key: 'request.headers[x]', values: [a]}]}]")).toEqual(NOTE);
  expect(deny("rules: [{to: [{operation: {ports: ['80'], paths: ['/admin/*']}}]}]")).toEqual([]);
  expect(deny('rules: [{from: [{source: {namespaces: [qa]}}]}]')).toEqual([]);
  expect(deny(`${HTTPBIN}, rules: [{to: [{operation: {methods: [GET]}}]}]`)).toEqual([]);
});

const LINKERD = `
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: {name: web-http, namespace: foo}
spec: {podSelector: {matchLabels: {app: httpbin}}, port: grpc, proxyProtocol: gRPC}
---
apiVersion: policy.linkerd.io/v1alpha1
kind: MeshTLSAuthentication
metadata: {name: clients, namespace: foo}
spec:
  identities: ['*.emojivoto.serviceaccount.identity.linkerd.cluster.local', web.shop.serviceaccount.identity.linkerd.cluster.local]
  identityRefs: [{kind: ServiceAccount, name: own}]
---
apiVersion: policy.linkerd.io/v1alpha1
kind: NetworkAuthentication
metadata: {name: cluster, namespace: foo}
spec: {networks: [{cidr: 10.0.0.0/8, except: [10.9.0.0/16]}]}
`;
const linkerd = (spec: string): string => `${LINKERD}---
apiVersion: policy.linkerd.io/v1alpha1
kind: AuthorizationPolicy
metadata: {name: web, namespace: foo}
spec: ${spec}
`;
const SERVER = 'targetRef: {group: policy.linkerd.io, kind: Server, name: web-http}';

test('Linkerd: all authentications together, at the port of a Server', () => {
  const refs = '[{kind: MeshTLSAuthentication, name: clients}, {kind: NetworkAuthentication, name: cluster}]';
  const { objects, said } = converted(linkerd(`{${SERVER}, requiredAuthenticationRefs: ${refs}}`));
  const near = [{ cidr: '10.0.0.0/8' }, { not: { cidr: '10.9.0.0/16' } }];
  expect(objects).toEqual({
    web: {
      subjects: [
        { allOf: [{ namespace: { name: 'emojivoto' } }, ...near] },
        { allOf: [{ serviceAccount: { name: 'web', namespace: 'shop' } }, ...near] },
        { allOf: [{ serviceAccount: { name: 'own', namespace: 'foo' } }, ...near] },
      ],
      rules: [{ services: ['httpbin'], ports: [9000] }],
    },
  });
  expect(said).toEqual([
    expect.stringMatching(/^note spec.accessPolicy: what allows refuses everybody else/),
  ]);
});

test('Linkerd: what is not in the files, or of another kind, is lost by name', () => {
  for (const [spec, message] of [
    [
      `{${SERVER}, requiredAuthenticationRefs: [{kind: MeshTLSAuthentication, name: lost}]}`,
      /MeshTLSAuthentication foo\/lost is not in the files/,
    ],
    ['{targetRef: {kind: Server, name: lost}}', /Server foo\/lost is not in the files/],
    ['{targetRef: {kind: HTTPRoute, name: a}}', /HTTPRoute foo\/a is not in the files/],
    ['{targetRef: {kind: Service, name: a}}', /Service is not converted/],
    ['{targetRef: {kind: Namespace, name: other}}', /its own namespace, and not about other/],
    [`{${SERVER.replace('}', ', namespace: other}')}}`, /its own namespace, and not about other/],
  ] as const) {
    const { objects, said } = converted(linkerd(spec));
    expect(objects).toEqual({});
    expect(said.filter((line) => line.startsWith('lost'))).toEqual([expect.stringMatching(message)]);
  }
  const open = converted(LINKERD.replace('proxyProtocol: gRPC', 'accessPolicy: all-unauthenticated'));
  expect(open).toEqual({
    objects: {
      'web-http': { subjects: [{ caller: 'Anyone' }], rules: [{ services: ['httpbin'], ports: [9000] }] },
    },
    said: [],
  });
  expect(
    converted(LINKERD.replace('proxyProtocol: gRPC', 'accessPolicy: cluster-authenticated')).said[0],
  ).toMatch(/^lost spec.accessPolicy: cluster-authenticated/);
});

const route = (name: string, matches: string, more = ''): string => `---
apiVersion: policy.linkerd.io/v1beta3
kind: HTTPRoute
metadata: {name: ${name}, namespace: foo}
spec: {parentRefs: [{group: policy.linkerd.io, kind: Server, name: web-http}]${more}, rules: [{matches: ${matches}}]}
`;
const BY_ROUTE = '{targetRef: {group: policy.linkerd.io, kind: HTTPRoute, name: read}}';
const READ =
  "[{path: {value: /books}, method: GET}, {path: {type: Exact, value: /about}, headers: [{name: x-v, value: '2'}]}]";

test('Linkerd: a policy on an HTTPRoute is about what the route matches', () => {
  const { objects, said } = converted(
    `${linkerd(BY_ROUTE)}${route('read', READ)}${route('write', '[{path: {value: /books}, method: POST}]')}`,
  );
  const at = { services: ['httpbin'], ports: [9000] };
  expect(objects).toEqual({
    web: {
      subjects: [{ caller: 'Anyone' }],
      rules: [
        { ...at, methods: ['GET'], paths: ['/books', '/books/*'] },
        { ...at, paths: ['/about'], headers: [{ name: 'x-v', exact: '2' }] },
      ],
    },
  });
  expect(said).toEqual([expect.stringMatching(/^note spec.accessPolicy/)]);
  const all = converted(`${linkerd(BY_ROUTE)}${route('read', '[]')}`);
  expect(all.objects).toMatchObject({ web: { rules: [at] } });
});

test.each([
  ['[{path: {type: RegularExpression, value: /b.*}}]', '', /of type RegularExpression have no counterpart/],
  ["[{path: {type: Exact, value: '/b/*'}}]", '', /these very letters there/],
  ['[{queryParams: [{name: a, value: b}]}]', '', /without their queries/],
  ['[{headers: [{name: a, type: RegularExpression, value: b}]}]', '', /values of type RegularExpression/],
  ['[{}]', ', hostnames: [a.example]', /has hostnames/],
])('Linkerd: a route that matches %s%s is lost', (matches, more, message) => {
  const { objects, said } = converted(`${linkerd(BY_ROUTE)}${route('read', matches, more)}`);
  expect(objects).toEqual({});
  expect(said.filter((line) => line.startsWith('lost'))).toEqual([expect.stringMatching(message)]);
});

// What another route takes must not be allowed by the policy on this one.
test.each([
  ['[{path: {value: /books}}]', '[{path: {value: /books/admin}}]', true],
  ['[{path: {value: /books}}]', '[{path: {type: Exact, value: /books/admin}}]', true],
  ['[{path: {value: /books}}]', '[{path: {value: /books}, method: POST}]', true],
  ['[{path: {value: /books}}]', '[{path: {value: /books}}]', true],
  ['[{path: {value: /books}}]', '[{path: {type: RegularExpression, value: .*}}]', true],
  ['[{path: {value: /books}}]', '[{path: {value: /}}]', false],
  ['[{path: {value: /books}}]', '[{path: {value: /bookshelf}}]', false],
  ['[{path: {value: /books}, method: GET}]', '[{path: {value: /books/admin}, method: POST}]', false],
  ['[{path: {type: Exact, value: /books/a}}]', '[{path: {value: /books}}]', false],
])('Linkerd: %s beside a route for %s: lost is %s', (own, other, isLost) => {
  const { objects } = converted(`${linkerd(BY_ROUTE)}${route('read', own)}${route('other', other)}`);
  expect(Object.keys(objects)).toEqual(isLost ? [] : ['web']);
});

test('Linkerd: a Server with routes takes what they match only, so nothing about all of it is written', () => {
  for (const spec of [`{${SERVER}}`, '{targetRef: {kind: Namespace, name: foo}}']) {
    const { objects, said } = converted(`${linkerd(spec)}${route('read', READ)}`);
    expect(objects).toEqual({});
    expect(said).toContainEqual(
      expect.stringMatching(/^lost spec.targetRef: Server foo\/web-http has HTTPRoutes/),
    );
  }
  const open = LINKERD.replace('proxyProtocol: gRPC', 'accessPolicy: all-authenticated');
  expect(converted(`${open}${route('read', READ)}`).objects).toEqual({});
});

test('Linkerd: a field that is not known may limit, so nothing is written', () => {
  const { objects, said } = converted(linkerd(`{${SERVER}, onlyOn: weekdays}`));
  expect(objects).toEqual({});
  expect(said).toContainEqual(expect.stringMatching(/^error spec: is not understood: .*onlyOn/));
});

const gep = (rules: string): string => `
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: AuthorizationPolicy
metadata: {name: payment, namespace: foo}
spec: {targetRefs: [{kind: Pod, selector: {matchLabels: {app: httpbin}}}], action: ALLOW, enforcementLevel: Network, rules: ${rules}}
`;

test('GEP-3779: sources and ports; an empty list of sources is nobody, none is anybody', () => {
  const sources =
    "[{type: ServiceAccount, serviceAccount: {name: web}}, {type: ServiceAccount, serviceAccount: {name: '*', namespace: qa}}, {type: SPIFFE, spiffe: 'spiffe://td.example/ns/a/sa/b'}]";
  const { objects, said } = converted(
    gep(
      `[{sources: ${sources}, networkAttributes: {ports: [80]}}, {sources: []}, {networkAttributes: {ports: [80]}}]`,
    ),
  );
  const at = [{ services: ['httpbin'], ports: [8000] }];
  expect(objects).toEqual({
    'payment-0': {
      subjects: [
        { serviceAccount: { name: 'web', namespace: 'foo' } },
        { namespace: { name: 'qa' } },
        { serviceAccount: { name: 'b', namespace: 'a', trustDomain: 'td.example' } },
      ],
      rules: at,
    },
    'payment-2': { subjects: [{ caller: 'Anyone' }], rules: at },
  });
  expect(said).toEqual([CLOSES]);
  expect(converted(gep("[{sources: [{spiffe: 'spiffe://td/other'}]}]")).said[0]).toMatch(
    /^lost spec.rules\[0\].sources: /,
  );
});

const accessPolicy = (rules: string, { kind = 'Service', name = 'tools', action = 'Allow' } = {}): string => `
apiVersion: agentic.networking.x-k8s.io/v1alpha1
kind: XAccessPolicy
metadata: {name: ${name}, namespace: foo}
spec:
  targetRefs: [{group: '', kind: ${kind}, name: httpbin}]
  action: ${action}
  ${rules}
`;
const agent = (authorization = ''): string =>
  `rules: [{name: one, source: {type: ServiceAccount, serviceAccount: {name: agent, namespace: default}}${authorization}}]`;
const AGENT = { serviceAccount: { name: 'agent', namespace: 'default' } };
const SAME_PORT = SERVICES.replace('{port: 8000, targetPort: 80}', '{port: 8000}');

test.each<[string, string, string, object]>([
  ['who may call a Service', agent(), SERVICES, { subjects: [AGENT], rules: [{ services: ['httpbin'] }] }],
  [
    'no list of rules is everybody',
    '',
    SERVICES,
    { subjects: [{ caller: 'Anyone' }], rules: [{ services: ['httpbin'] }] },
  ],
  [
    'methods, paths, headers and ports',
    agent(
      ", authorization: {type: Inline, methods: [GET], paths: [{value: /a/}, {type: Exact, value: /b}], headers: [{name: x-v, value: '1'}], ports: [8000]}",
    ),
    SAME_PORT,
    {
      subjects: [AGENT],
      rules: [
        {
          services: ['httpbin'],
          ports: [8000],
          methods: ['GET'],
          paths: ['/a', '/a/*', '/b'],
          headers: [{ name: 'x-v', exact: '1' }],
        },
      ],
    },
  ],
])('XAccessPolicy: %s', (_what, rules, services, expected) => {
  expect(converted(accessPolicy(rules), services)).toEqual({ objects: { tools: expected }, said: [CLOSES] });
});

test.each([
  ['mcp', '{type: Inline, mcp: {methods: [{name: tools/call, params: [add]}]}}'],
  ['type', "{type: CEL, cel: {expression: 'true'}}"],
  ['hosts', '{type: Inline, hosts: [a.example]}'],
  ['ports', '{type: Inline, ports: [8000]}'],
  ['paths', '{type: Inline, paths: [{type: RegularExpression, value: a.*}]}'],
  ['headers', '{type: Inline, headers: [{name: a, type: RegularExpression, value: b}]}'],
])('XAccessPolicy: %s cannot be said, and the rule is lost', (field, authorization) => {
  const { objects, said } = converted(accessPolicy(agent(`, authorization: ${authorization}`)));
  expect(objects).toEqual({});
  expect(said[0]?.startsWith(`lost spec.rules[0].authorization.${field}: `)).toBe(true);
});

test('XAccessPolicy: what more than one must allow, or another server, is an error', () => {
  const both = converted(`${accessPolicy(agent())}---${accessPolicy(agent(), { name: 'more' })}`);
  expect(both.objects).toEqual({});
  expect(both.said).toEqual([
    expect.stringMatching(/^error spec.targetRefs: XAccessPolicy foo\/more has the same target/),
    expect.stringMatching(/^error spec.targetRefs: XAccessPolicy foo\/tools has the same target/),
  ]);
  const outside = converted(accessPolicy(agent(), { action: 'ExternalAuth' }));
  expect([outside.objects, outside.said[0]]).toEqual([
    {},
    expect.stringMatching(/^error spec.action: ExternalAuth/),
  ]);
  expect(converted(accessPolicy(agent(), { kind: 'XBackend' })).said[0]).toMatch(
    /^lost spec.targetRefs: XBackend/,
  );
  const port = accessPolicy(agent()).replace('name: httpbin}', 'name: httpbin, sectionName: web}');
  expect(converted(port).said[0]).toMatch(/^error spec.targetRefs.0: is not understood: .*sectionName/);
});
