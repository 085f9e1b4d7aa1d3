import { NODE } from '../../netns/network.js';
import { until } from '../../netns/process.js';
import type { Ground } from '../ground.js';
import { Outside, type Arrival } from '../outside.js';
import type { Played, Row } from '../row.js';
import { ALLOWED, EVIL, FILES, hello, NAMES, PRIVATE, PUBLIC, ways, type Way } from '../ways-out.js';

const EXTERNAL = '/apis/weft.dev/v1alpha1/externalservices';

/** What is declared: one host, everything below another one, a block of addresses; and what is for somebody else. */
const DECLARED: Readonly<Record<string, object>> = {
  api: {
    hosts: ['api.example.com'],
    ports: [
      { port: 80, protocol: 'HTTP' },
      { port: 443, protocol: 'TLS' },
    ],
  },
  below: {
    hosts: ['*.example.net'],
    ports: [
      { port: 80, protocol: 'HTTP' },
      { port: 443, protocol: 'TLS' },
    ],
  },
  database: { addresses: ['198.51.100.0/29'], ports: [{ port: 5432, protocol: 'TCP' }] },
  // Private where it says so; loopback and metadata are not even then.
  inside: {
    hosts: ['*.inside.example.com'],
    privateAddresses: 'Allow',
    ports: [{ port: 80, protocol: 'HTTP' }],
  },
  payments: {
    hosts: ['pay.example.org'],
    serviceAccounts: ['payments'],
    ports: [{ port: 80, protocol: 'HTTP' }],
  },
};

/** The row about what leaves the mesh. */
export function egressRows(ground: Ground): readonly Row[] {
  return [
    {
      area: 'Egress',
      name: 'no way out past RegistryOnly, written down outside of the pod',
      play: async () => {
        const outside = await Outside.open(ground.world);
        for (const [name, addresses] of Object.entries(NAMES)) outside.names.set(name, addresses);
        try {
          return await play(ground, outside);
        } finally {
          ground.label({ 'weft.dev/outbound-policy': 'AllowAny' });
          await outside.close();
        }
      },
    },
  ];
}

const ask = (host: string, mark: string): string => `GET /${mark} HTTP/1.1\r\nhost: ${host}\r\n\r\n`;

async function play(ground: Ground, outside: Outside): Promise<Played> {
  // Before anything is closed all of it is open: who writes down what leaves can do so.
  const wrong: string[] = [];
  const open = await outside.say(EVIL, 80, ask('evil.example.org', 'open'));
  if (!open.includes('outside'))
    wrong.push(`where everything is allowed nothing passed: ${JSON.stringify(open)}`);
  for (const [name, spec] of Object.entries(DECLARED)) ground.apply(EXTERNAL, 'ExternalService', name, spec);
  const elsewhere = { name: 'bank', namespace: 'qa', uid: 'qa-bank', generation: 1 };
  const spec = { hosts: ['bank.example.org'], ports: [{ port: 80, protocol: 'HTTP' }] };
  ground.world.api.put(EXTERNAL, {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'ExternalService',
    metadata: elsewhere,
    spec,
  });
  ground.label({ 'weft.dev/outbound-policy': 'RegistryOnly' });
  await until('RegistryOnly acts', async () => {
    const [out, through] = [
      await outside.say(EVIL, 80, ask('evil.example.org', 'wait')),
      await outside.say(PUBLIC, 80, ask('api.example.com', 'wait')),
    ];
    if (out.includes('outside') || !through.includes('outside')) throw new Error(`${out} ${through}`);
  });
  const attempts = ways();
  const results = [
    ...wrong,
    ...(await tryAll(outside, attempts)),
    ...(await twins(outside)),
    ...(await withoutControlPlane(outside)),
    ...(await misspelt(ground, outside)),
  ];
  return { attempts: attempts.length + 4, twins: TWINS.length + 2, wrong: results };
}

/** Where something may arrive that says nothing but what is declared. */
const isDeclared = ({ at, bytes }: Arrival): boolean => ALLOWED.has(at) && !/evil|secret-way/.test(bytes);

async function tryAll(outside: Outside, all: readonly Way[]): Promise<readonly string[]> {
  const wrong: string[] = [];
  await outside.left();
  const queue = [...all];
  const worker = async (): Promise<void> => {
    for (let way = queue.shift(); way !== undefined; way = queue.shift()) {
      const { name, to = PUBLIC, port = 80, bytes } = way;
      const said = await outside.say(to, port, bytes);
      // Its own first request may be answered, if what is hidden in it is not.
      if (said.includes('outside') && way.opens !== true) wrong.push(`${name}: was answered from outside`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  for (const arrival of await outside.left())
    if (!isDeclared(arrival)) wrong.push(`${arrival.at} got ${JSON.stringify(arrival.bytes.slice(0, 120))}`);
  return wrong;
}

type Twin = readonly [name: string, to: string, port: number, bytes: string, arrives: string];

const TWINS: readonly Twin[] = [
  ['a declared host', PUBLIC, 80, ask('api.example.com', 'twin'), `${PUBLIC}:80`],
  ['a declared host, with its port', PUBLIC, 80, ask('api.example.com:80', 'twin'), `${PUBLIC}:80`],
  ['a declared host, whatever was dialled', EVIL, 80, ask('api.example.com', 'twin'), `${PUBLIC}:80`],
  ['a name below another one', EVIL, 80, ask('files.example.net', 'twin'), `${FILES}:80`],
  ['a name far below another one', EVIL, 80, ask('a.b.files.example.net', 'twin'), `${FILES}:80`],
  ['TLS with its name', EVIL, 443, hello(['api.example.com']), `${PUBLIC}:443`],
  ['TLS with a name below another one', EVIL, 443, hello(['files.example.net']), `${FILES}:443`],
  ['bytes to a declared block', '198.51.100.7', 5432, 'hello', '198.51.100.7:5432'],
  ['a private address where it is declared', EVIL, 80, ask('a.inside.example.com', 'twin'), `${PRIVATE}:80`],
];

async function twins(outside: Outside): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const [name, to, port, bytes, arrives] of TWINS) {
    await outside.say(to, port, bytes);
    const left = (await outside.left()).filter((arrival) => arrival.bytes !== '');
    if (left.length === 0 || left.some(({ at }) => at !== arrives))
      wrong.push(`${name}: ${JSON.stringify(left.map(({ at }) => at))} instead of ${arrives}`);
  }
  return wrong;
}

/** Who is declared is reached while nobody can be asked, and nobody else is. */
async function withoutControlPlane(outside: Outside): Promise<readonly string[]> {
  await outside.cut(true);
  try {
    const said = await outside.say(EVIL, 80, ask('new.evil.example.org', 'cut'));
    const bytes = await outside.say('203.0.113.9', 5432, 'evil bytes');
    const left = await outside.left();
    const through = await outside.say(PUBLIC, 80, ask('api.example.com', 'cut'));
    return [
      ...left.map(({ at }) => `without a control plane something came to ${at}`),
      ...[said, bytes]
        .filter((text) => text.includes('outside'))
        .map(() => 'without a control plane: answered'),
      ...(through.includes('outside')
        ? []
        : [`without a control plane what is declared got ${JSON.stringify(through)}`]),
    ];
  } finally {
    await outside.cut(false);
    await outside.left();
  }
}

/** A word that nobody knows closes, and what is no longer declared is closed too. */
async function misspelt(ground: Ground, outside: Outside): Promise<readonly string[]> {
  ground.label({ 'weft.dev/outbound-policy': 'allowany' });
  ground.world.api.remove(EXTERNAL, { namespace: 'shop', name: 'below' });
  await until('what is withdrawn is refused', async () => {
    const said = await outside.say(EVIL, 80, ask('files.example.net', 'gone'));
    if (said.includes('outside')) throw new Error('it still passes');
  });
  await outside.left();
  await outside.say(EVIL, 80, ask('evil.example.org', 'misspelt'));
  await outside.say(NODE, 80, ask('files.example.net', 'misspelt'));
  return (await outside.left()).map(({ at }) => `with a word that nobody knows something came to ${at}`);
}
