import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, load, namespace } from '../support/app.js';
import { trafficPolicy, weftObject } from '../support/policy.js';
import { apply, eventually, get, kubectl, run } from '../support/run.js';
import { REPLICAS, scaleControlPlane, weft, weftSaid } from '../support/weft.js';

// Find the cause: ten faults in one namespace, under traffic, each found by the commands of its section of docs/troubleshooting.md.

const NS = 'e2e-drills';
const SYSTEM = 'weft-system';
const MOST_COMMANDS = 3;

/** What has to be found: by a piece of the title of its section, cause and object in what the commands print. */
const FAULTS: readonly (readonly [fault: string, section: string, found: readonly RegExp[]])[] = [
  [
    'a wrong port',
    'nobody listens on its port',
    [
      /\bratings +0\.00%/,
      /<- GET ratings:8080\/ +503 .*failed \(connect-failed\)/,
      /-> GET ratings:8080\/ +503 .*:8099\b/,
    ],
  ],
  [
    'a role that denies',
    'a rule denies it',
    [
      new RegExp(`${NS}/web +${NS}/orders .*${NS}/no-web`),
      new RegExp(`refused: ${NS}/web may not GET / of ${NS}/orders:8080\n +by MeshRoleBinding ${NS}/no-web `),
    ],
  ],
  ['an ejected pod', 'it is ejected', [new RegExp(`${NS}/reviews-v2-\\S+ +ejected .*consecutive-failures`)]],
  [
    'a shadowed route',
    'an earlier one takes them',
    [
      /^all +/m,
      new RegExp(`TrafficPolicy ${NS}/catalog [^]*spec\\.routes\\[1\\].*route all before it.*WEFT301`),
    ],
  ],
  [
    'a caller without a proxy',
    'it is not in the mesh, and the port is strict',
    [
      new RegExp(`\\(no identity\\) +${NS}/payments .*strict-mtls`),
      new RegExp(`${NS}/cron-\\S+ +\\S+ +${NS}/payments:8080 +\\d+ +[1-9]`),
    ],
  ],
  [
    'a slow replica',
    'one replica is',
    [/\bsearch .*\b(5\d\d|[6-9]\d\d)ms|\bsearch .*\ds\b/, /\/search-v2-\S+ +ready +\d{3,}\.\d ms/],
  ],
  [
    'a full limit',
    'a limit is full',
    [new RegExp(`${NS}/coupons .*${NS}/coupons`), new RegExp(`429 .*limited by rate-limit.*from ${NS}/web`)],
  ],
  [
    'keys that cannot be fetched',
    'the keys of their provider cannot be fetched',
    [/JwtIssuer +login +\S+.* no \(KeysMissing\)/, /login spec\.jwks\.url: the keys could not be fetched/],
  ],
];

/** Who calls whom: `web` all but `payments`, which a pod without a proxy calls. */
const CALLS: readonly (readonly [caller: string, service: string])[] = [
  ...['ratings', 'orders', 'reviews', 'catalog', 'search', 'coupons', 'account'].map(
    (service) => ['web', service] as const,
  ),
  ['cron', 'payments'],
];

let page: string;
let folder: string;
let ended = false;
let calling: readonly Promise<void>[] = [];

const policy = (service: string, spec: object): object =>
  trafficPolicy(NS, service, { targetRefs: [{ kind: 'Service', name: service, port: 8080 }], ...spec });
/** Answers 502 to everything: what it needs refuses connections. */
const BROKEN = ['http://127.0.0.1:1/'];
const SLOW = [`http://catalog.${NS}:8080/delay/500ms`];

/** The commands of the section, for this namespace. */
function commandsOf(section: string): readonly string[] {
  const [, text = ''] = page.split(new RegExp(`^## .*${section}$`, 'm'));
  const [, block = ''] = /^```console\n([^]*?)^```$/m.exec(text.split(/^## /m)[0] ?? '') ?? [];
  return block
    .trim()
    .replaceAll(/\bshop\b/g, NS)
    .split('\n');
}

/** What the commands of the section print, one after the other. */
async function said(section: string): Promise<string> {
  const commands = commandsOf(section);
  expect(commands.length).toBeLessThanOrEqual(MOST_COMMANDS);
  const texts: string[] = [];
  for (const command of commands) {
    const [program, ...words] = command.split(' ');
    expect(program).toBe('weft');
    texts.push((await weftSaid(words)).text);
  }
  return texts.join('\n');
}

async function find(section: string, found: readonly RegExp[]): Promise<void> {
  await eventually(
    `the commands of "${section}" show the cause`,
    async () => {
      const text = await said(section);
      const missing = found.filter((pattern) => !pattern.test(text));
      if (missing.length > 0) throw new Error(`${missing.join(' and ')} not in:\n${text}`);
      return true;
    },
    90,
  );
}

async function callUntilEnd([caller, service]: readonly [string, string]): Promise<void> {
  while (!ended) {
    const flags = ['-url', `http://${service}:8080/`, '-rate', '5', '-connections', '4', '-duration', '10s'];
    await load(NS, `deploy/${caller}`, ...flags).catch(() => undefined);
  }
}

beforeAll(async () => {
  page = await readFile('docs/troubleshooting.md', 'utf8');
  folder = await mkdtemp(join(tmpdir(), 'weft-drills-'));
  await apply(namespace(NS));
  await deploy(
    { namespace: NS, name: 'web' },
    { namespace: NS, name: 'cron', labels: { 'weft.dev/inject': 'disabled' } },
    ...['orders', 'payments', 'coupons', 'account', 'catalog', 'ratings'].map((name) => ({
      namespace: NS,
      name,
    })),
    ...['reviews', 'search'].flatMap((service) => [
      { namespace: NS, name: `${service}-v1`, service },
      {
        namespace: NS,
        name: `${service}-v2`,
        service,
        version: 'v2',
        upstreams: service === 'reviews' ? BROKEN : SLOW,
      },
    ]),
  );
  const login = 'https://login.invalid';
  const role = (name: string, service: string): object =>
    weftObject('MeshRole', NS, name, { rules: [{ services: [service], ports: [8080] }] });
  const denied = (name: string, of: string, subject: object): object =>
    weftObject('MeshRoleBinding', NS, name, {
      effect: 'Deny',
      subjects: [subject],
      roleRef: { kind: 'MeshRole', name: of },
    });
  await apply([
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'ratings', namespace: NS },
      spec: { selector: { app: 'ratings' }, ports: [{ name: 'http', port: 8080, targetPort: 8099 }] },
    },
    role('all-orders', 'orders'),
    denied('no-web', 'all-orders', { serviceAccount: { name: 'web' } }),
    policy('reviews', {
      routes: [{ retries: {} }],
      circuitBreaker: { consecutiveFailures: 3, ejection: { base: '300s' } },
    }),
    policy('catalog', {
      routes: [{ name: 'all' }, { name: 'beta', match: [{ headers: [{ name: 'x-group', exact: 'beta' }] }] }],
    }),
    weftObject('MeshTLSPolicy', NS, 'closed', {
      selector: { matchLabels: { app: 'payments' } },
      mode: 'Strict',
    }),
    policy('search', { loadBalancer: { algorithm: 'roundRobin' } }),
    policy('coupons', { rateLimit: [{ name: 'few', requests: 1, per: '10s' }] }),
    weftObject('JwtIssuer', NS, 'login', {
      issuer: login,
      audiences: ['shop'],
      jwks: { url: `${login}/keys` },
    }),
    role('all-account', 'account'),
    denied('only-staff', 'all-account', {
      allOf: [{ not: { jwt: { issuer: login, claims: [{ path: ['groups'], anyOf: ['staff'] }] } } }],
    }),
  ]);
  calling = CALLS.map(callUntilEnd);
}, 240_000);

afterAll(async () => {
  ended = true;
  await scaleControlPlane(REPLICAS);
  await Promise.all(calling);
  await rm(folder, { recursive: true, force: true });
  await kubectl('delete', 'namespace', NS, '--wait=false');
}, 180_000);

test.each(FAULTS)('%s is found', async (_fault, section, found) => find(section, found));

interface Secret {
  readonly metadata: { readonly labels?: object; readonly annotations?: object };
  readonly type: string;
  readonly data: Readonly<Record<string, string>>;
}

/** An issuer that ends in eight days, under the root that everybody trusts. */
async function nearlyEndedIssuer(): Promise<object> {
  const root = await get<Secret>('secret', 'weft-root', '-n', SYSTEM);
  const file = (name: string): string => join(folder, name);
  for (const name of ['tls.crt', 'tls.key'])
    await writeFile(file(name), Buffer.from(root.data[name] ?? '', 'base64'), { mode: 0o600 });
  await writeFile(
    file('ext'),
    'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n',
  );
  const script = [
    'openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca.key',
    'openssl req -new -key ca.key -subj "/O=Corp/CN=Drill" -out ca.csr',
    'openssl x509 -req -in ca.csr -CA tls.crt -CAkey tls.key -CAcreateserial -days 8 -extfile ext -out ca.crt',
  ];
  await run('bash', ['-euc', [`cd ${folder}`, ...script].join('\n')]);
  const base64 = async (name: string): Promise<string> => (await readFile(file(name))).toString('base64');
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'drill-ca', namespace: SYSTEM },
    data: {
      'tls.crt': await base64('ca.crt'),
      'tls.key': await base64('ca.key'),
      'ca.crt': await base64('tls.crt'),
    },
  };
}

test('an issuer near its end is found', async () => {
  const { metadata, type, data } = await get<Secret>('secret', 'weft-issuer', '-n', SYSTEM);
  try {
    await apply(await nearlyEndedIssuer());
    await weft('identity', 'import', 'drill-ca');
    await find('the issuer ends', [/weft-issuer: the issuer ends at \S+[^]*WEFT907/]);
  } finally {
    const { labels, annotations } = metadata;
    const former = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'weft-issuer', namespace: SYSTEM, labels, annotations },
      type,
      data,
    };
    await run('kubectl', ['replace', '-f', '-'], { input: JSON.stringify(former) });
    await kubectl('delete', 'secret', 'drill-ca', '-n', SYSTEM, '--ignore-not-found');
  }
});

test('a control plane that is down is found', async () => {
  await scaleControlPlane(0);
  await find('the control plane is down', [
    /failed +control plane +Deployment weft-system\/weft-default: 0 of 0 ready[^]*WEFT905/,
  ]);
});

test('there are ten', () => {
  const sections = page.split(/^## /m).slice(1);
  expect(sections).toHaveLength(10);
  expect(FAULTS).toHaveLength(sections.length - 2);
});
