import type { Socket } from 'node:net';
import type { ServerIdentity } from '../../../src/grpc/index.js';
import { makeCertificates } from '../certificates.js';
import type { Ground, Rules } from '../ground.js';
import { together, type Played, type Row } from '../row.js';
import { dial, send, WIRES, type Wire } from '../wires.js';

const AREA = 'MeshRole / MeshRoleBinding';
const WEB = { subjects: [{ serviceAccount: { name: 'web' } }] };
const MESH_WIRES = ['weft1-h1', 'weft1-h2', 'weft1-tcp'] as const;

/** `web` may ask everything of the Service, and nobody else anything. */
const ONLY_WEB: Rules = {
  byDefault: 'Deny',
  bindings: {
    web: {
      spec: WEB,
      rules: [
        { services: ['server'], paths: ['/*'] },
        { services: ['server'], ports: [8082] },
      ],
    },
  },
};
/** Paths are asked about at every port, declared or not. */
const EVERY_PORT: Rules = {
  byDefault: 'Deny',
  bindings: { public: { spec: { subjects: [{ caller: 'Anyone' }] }, rules: [{ paths: ['/public'] }] } },
};

/** The rows about who calls, whatever they call. */
export function callerRows(ground: Ground): readonly Row[] {
  return [
    {
      area: AREA,
      name: 'of 4 callers only the one that is allowed gets in, over each wire',
      play: async () => {
        await ground.rule(ONLY_WEB);
        return together(await Promise.all(WIRES.map(async (wire) => callers(ground, wire))));
      },
    },
    {
      area: 'mTLS modes',
      name: 'of 20 certificates only the one with nothing wrong gets in, over each ALPN',
      play: async () => {
        await ground.rule(ONLY_WEB);
        return certificates(ground);
      },
    },
    {
      area: AREA,
      name: "a certificate over TLS that is not the mesh's proves nothing",
      play: async () => {
        await ground.rule(ONLY_WEB);
        return foreignTls(ground);
      },
    },
    {
      area: AREA,
      name: 'bytes get in for the caller that is allowed, and end when it is not any more',
      play: async () => {
        await ground.rule(ONLY_WEB);
        return together([await bytes(ground), await taken(ground)]);
      },
    },
    {
      area: AREA,
      name: 'at a port that nobody declared rules about paths hold, and what is not HTTP is refused',
      play: async () => {
        await ground.rule(EVERY_PORT);
        return undeclared(ground);
      },
    },
  ];
}

async function reached(
  ground: Ground,
  marks: readonly (readonly [name: string, mark: string])[],
): Promise<string[]> {
  const all = (await ground.arrived()).map((one) => one.bytes).join('');
  return marks.filter(([, mark]) => all.includes(mark)).map(([name]) => `${name} reached the application`);
}

async function callers(ground: Ground, wire: Wire): Promise<Played> {
  const isPlain = wire.startsWith('plain');
  const others: readonly (readonly [string, ServerIdentity | undefined])[] = isPlain
    ? [['a caller in plain text', undefined]]
    : [
        ['shop/other', await ground.certificate('other')],
        ['qa/web', await ground.certificate('web', 'qa')],
        ['shop/web-2', await ground.certificate('web-2')],
      ];
  const expected = [
    ...others.map(([name, certificate]) => ({ name, certificate, status: 403 })),
    ...(isPlain
      ? []
      : [{ name: 'shop/web, which may,', certificate: await ground.certificate(), status: 200 }]),
  ];
  const wrong: string[] = [];
  for (const { name, certificate, status } of expected) {
    const { status: found = 0, reason = '' } =
      (await send(ground.at('http'), wire, certificate, { target: '/secret' })) ?? {};
    if (found !== status) wrong.push(`${wire}: ${name} got ${found} ${reason}`);
  }
  return { attempts: others.length, twins: expected.length - others.length, wrong };
}

async function certificates(ground: Ground): Promise<Played> {
  const { twin, wrong: bad } = await makeCertificates(ground.world.plane.ca);
  const marks: [string, string][] = [];
  const wrong: string[] = [];
  for (const wire of MESH_WIRES) {
    for (const [name, certificate] of bad) {
      const mark = `/certificate-${wire}-${marks.length}-`;
      marks.push([`${wire}: a certificate ${name}`, mark]);
      await send(ground.at('http'), wire, certificate, { target: mark });
    }
    const answer = await send(ground.at('http'), wire, twin, { target: '/right' });
    if (answer?.status !== 200)
      wrong.push(`${wire}: the right certificate got ${answer?.status} ${answer?.reason}`);
  }
  return {
    attempts: marks.length,
    twins: MESH_WIRES.length,
    wrong: [...wrong, ...(await reached(ground, marks))],
  };
}

/** With the right certificate, but as any client of TLS: the receiver takes it for bytes of its application, from a caller without a name. */
async function foreignTls(ground: Ground): Promise<Played> {
  const certificate = await ground.certificate();
  const ways = [
    { alpn: ['h2'] },
    { alpn: ['http/1.1'] },
    { alpn: [] },
    { alpn: ['weft2-h1'] },
    { alpn: ['WEFT1-H1'] },
    { alpn: ['weft1-h1'], maxVersion: 'TLSv1.2' as const },
  ];
  const wrong: string[] = [];
  for (const port of ['http', 'tcp', 'undeclared'] as const)
    for (const way of ways) {
      const socket = dial(ground.at(port), 'weft1-h1', certificate, way);
      socket.once('secureConnect', () => socket.write('GET /foreign HTTP/1.1\r\nhost: server\r\n\r\n'));
      const answer = await answered(socket);
      if (answer.includes(' 200 ')) wrong.push(`${port} ${JSON.stringify(way)}: it was answered`);
    }
  const arrivals = (await ground.arrived()).map(
    ({ port, bytes: some }) => `${port}: ${JSON.stringify(some.slice(0, 40))} arrived`,
  );
  const twin = await send(ground.at('http'), 'weft1-h1', certificate, { target: '/right' });
  return {
    attempts: 3 * ways.length,
    twins: 1,
    wrong: [...wrong, ...arrivals, ...(twin?.status === 200 ? [] : [`weft1-h1 got ${twin?.status}`])],
  };
}

/** What comes back until the connection ends, or until something did. */
function answered(socket: Socket): Promise<string> {
  return new Promise((done) => {
    let text = '';
    const end = (): void => {
      socket.destroy();
      done(text);
    };
    socket.on('data', (data) => {
      text += data.toString('latin1');
      end();
    });
    socket.on('error', end);
    socket.on('close', end);
    socket.setTimeout(5_000, end);
  });
}

/** Opens a connection of bytes, says something, and gives what comes back. */
async function say(
  ground: Ground,
  port: 'tcp' | 'undeclared' | 'http',
  wire: Wire,
  certificate: ServerIdentity | undefined,
  text: string,
): Promise<string> {
  const socket = dial(ground.at(port), wire, certificate);
  socket.once(wire === 'plain' ? 'connect' : 'secureConnect', () => socket.write(text));
  return answered(socket);
}

async function bytes(ground: Ground): Promise<Played> {
  const marks: [string, string][] = [];
  const attack = async (name: string, wire: Wire, certificate?: ServerIdentity): Promise<void> => {
    const mark = `ECHO-attack-${marks.length}-`;
    marks.push([name, mark]);
    await say(ground, 'tcp', wire, certificate, mark);
  };
  await attack('plain text', 'plain');
  for (const wire of MESH_WIRES) {
    const [other, elsewhere] = [await ground.certificate('other'), await ground.certificate('web', 'qa')];
    await Promise.all([
      attack(`${wire}: shop/other`, wire, other),
      attack(`${wire}: qa/web`, wire, elsewhere),
    ]);
  }
  const echoed = await say(ground, 'tcp', 'weft1-tcp', await ground.certificate(), 'ECHO twin');
  const wrong = echoed.includes('ECHO twin') ? [] : [`shop/web, which may, got ${JSON.stringify(echoed)}`];
  return { attempts: marks.length, twins: 1, wrong: [...wrong, ...(await reached(ground, marks))] };
}

/** What is open ends when it is not allowed any more; what may go on does. */
async function taken(ground: Ground): Promise<Played> {
  const open = async (account: string): Promise<Socket> => {
    const socket = dial(ground.at('tcp'), 'weft1-tcp', await ground.certificate(account));
    socket.on('error', () => undefined);
    socket.once('secureConnect', () => socket.write('ECHO'));
    await new Promise((done) => socket.once('data', done));
    return socket;
  };
  const both = { subjects: [{ serviceAccount: { name: 'web' } }, { serviceAccount: { name: 'other' } }] };
  const ports = [{ services: ['server'], ports: [8082] }];
  await ground.rule({ byDefault: 'Deny', bindings: { both: { spec: both, rules: ports } } });
  const [kept, lost] = [await open('web'), await open('other')];
  const ended = new Promise<boolean>((done) => {
    lost.once('close', () => done(true));
    setTimeout(() => done(false), 15_000).unref();
  });
  await ground.rule({ byDefault: 'Deny', bindings: { web: { spec: WEB, rules: ports } } });
  const wrong = (await ended)
    ? []
    : ['a connection of bytes whose caller is not allowed any more is still open'];
  const goesOn = new Promise<boolean>((done) => {
    kept.once('data', () => done(true));
    kept.once('close', () => done(false));
    setTimeout(() => done(false), 15_000).unref();
  });
  kept.write('more');
  if (!(await goesOn)) wrong.push('a connection of bytes that may go on has ended');
  for (const socket of [kept, lost]) socket.destroy();
  return { attempts: 1, twins: 1, wrong };
}

async function undeclared(ground: Ground): Promise<Played> {
  const certificate = await ground.certificate();
  const marks: [string, string][] = [];
  for (const [wire, own] of [
    ['plain', undefined],
    ['weft1-tcp', certificate],
    ['weft1-h1', certificate],
  ] as const)
    for (const [name, text] of [
      ['bytes', 'ECHO'],
      ['a line feed first', '\nECHO'],
      ['a request for another path', 'GET /secret HTTP/1.1\r\nhost: server\r\nx: '],
      ['a hello of TLS', '\u0016\u0003\u0001\u0000\u0005'],
      ['a request of HTTP/0.9', 'GET /public\r\n'],
    ] as const) {
      const mark = `mark-${marks.length}-`;
      marks.push([`${wire}: ${name}`, mark]);
      await say(ground, 'undeclared', wire, own, `${text}${mark}\r\n\r\n`);
    }
  const twin = await send(ground.at('undeclared'), 'weft1-h1', certificate, { target: '/public' });
  const wrong =
    twin?.status === 200 ? [] : [`/public, which is allowed, got ${twin?.status} ${twin?.reason}`];
  return { attempts: marks.length, twins: 1, wrong: [...wrong, ...(await reached(ground, marks))] };
}
