import type { Ground, Rules } from '../ground.js';
import { sendAll } from '../ground.js';
import { together, type Played, type Row } from '../row.js';
import { SERVER_PORTS, SERVERS, startServers, type RealServer } from '../servers.js';
import type { Answer, Form, Wire } from '../wires.js';
import { AROUND_PUBLIC, NARROW, TO_ADMIN, WIDE } from './forms.js';

const AREA = 'L7 match';
const ANYONE = { subjects: [{ caller: 'Anyone' }] };
const PORTS = { ports: SERVER_PORTS };
const OPEN: Rules = { byDefault: 'Allow', bindings: {} };
const HTTP1_WIRES = ['plain', 'weft1-h1', 'weft1-tcp'] as const;
const HTTP2_WIRES = ['plain-h2', 'weft1-h2'] as const;

const binding = (byDefault: Rules['byDefault'], effect: 'Allow' | 'Deny', rule: object): Rules => ({
  byDefault,
  bindings: { servers: { spec: { ...ANYONE, effect }, rules: [{ ...PORTS, ...rule }] } },
});
const NO_ADMIN = binding('Allow', 'Deny', { paths: ['/admin/*'] });
const ONLY_PUBLIC = binding('Deny', 'Allow', { methods: ['GET'], paths: ['/public', '/public/*'] });
const NO_EVIL = binding('Allow', 'Deny', { headers: [{ name: 'x-group', prefix: 'evil' }] });
const ONLY_STAFF = binding('Deny', 'Allow', { headers: [{ name: 'x-group', exact: 'staff' }] });

const GOOD_PATHS: readonly Form[] = ['/public/', '/public/x/', '/public/x/?a=/../admin'].map((target) => ({
  target,
}));
const lines = (headers: NonNullable<Form['headers']>): Form => ({ target: '/public/x/', headers });
/** Lines as only HTTP/1.1 has them, which some server has read as a line `x-group`. */
const WRITTEN: readonly string[] = [
  'x-group : evil',
  'x-group\t: evil',
  'X-GROUP:evil',
  'x-group:\tevil',
  'x-group: good\r\n evil',
  'x-group:\r\n evil',
  'x: y\n x-group: evil',
  'x: y\rx-group: evil',
  ' x-group: evil',
  'x-group\u0000: evil',
  'x-group: \u0000evil',
  'x-group: \u000bevil',
  'x.group: evil',
  'x-group: \u0085evil',
];
const EVIL: readonly Form[] = [
  ...WIDE.map(lines),
  ...WRITTEN.map((line) => ({ target: '/public/x/', raw: `host: server\r\n${line}\r\n\r\n` })),
];

/** What a server says it has made of a request. */
interface Told {
  readonly served: string;
  readonly read: string;
}
type Sent = Answer & { readonly form: Form } & Told;

/** The rows about what real servers take requests for. */
export function serverRows(ground: Ground, goServer: string): readonly Row[] {
  let started: Promise<void> | undefined;
  const row = (name: string, play: () => Promise<Played>): Row => ({
    area: AREA,
    name: `before ${SERVERS.length} real servers ${name}, over each wire`,
    play: async () => {
      started ??= startServers(ground, goServer);
      await started;
      return play();
    },
  });
  return [
    row('no form of a path is served that a rule denies', async () => {
      const real = await reality(ground, TO_ADMIN, ({ served }) => served === 'admin');
      await ground.rule(NO_ADMIN);
      const wrong = (sent: Sent): boolean => sent.served === 'admin';
      return together([real, await attack(ground, TO_ADMIN, wrong), await pass(ground, GOOD_PATHS)]);
    }),
    row('a path that is allowed takes nobody elsewhere', async () => {
      await ground.rule(ONLY_PUBLIC);
      const elsewhere = ({ served, status, form: { method = 'GET' } }: Sent): boolean =>
        served !== 'public' ? served !== '' || (status >= 200 && status < 300) : method !== 'GET';
      return together([await attack(ground, AROUND_PUBLIC, elsewhere), await pass(ground, GOOD_PATHS)]);
    }),
    row('what a header says is not read in a way that a rule denies', async () => {
      const evil = ({ read }: Told): boolean => members(read).some((one) => one.startsWith('evil'));
      const real = await reality(ground, EVIL, evil);
      await ground.rule(NO_EVIL);
      return together([
        real,
        await attack(ground, EVIL, evil),
        await pass(ground, [lines([['x-group', 'good']]), lines([])]),
      ]);
    }),
    row('a header that is allowed is read as what it was allowed for', async () => {
      await ground.rule(ONLY_STAFF);
      const other = ({ read, served }: Sent): boolean =>
        served !== '' && members(read).some((one) => one !== 'staff');
      return together([
        await attack(ground, NARROW.map(lines), other),
        await pass(ground, [lines([['x-group', 'staff']])]),
      ]);
    }),
  ];
}

function members(text: string): readonly string[] {
  return text.split(',').map((member) => member.trim().toLowerCase());
}

function told(answer: Answer): Told {
  const read = answer.lines.get('x-read') ?? '';
  try {
    return { served: answer.lines.get('x-served') ?? '', read: decodeURIComponent(read) };
  } catch {
    return { served: answer.lines.get('x-served') ?? '', read };
  }
}

/** Sends all to each server over each wire that it understands. */
async function each<T>(
  ground: Ground,
  forms: readonly Form[],
  look: (server: RealServer, wire: Wire, sent: readonly Sent[]) => T,
): Promise<readonly T[]> {
  const certificate = await ground.certificate();
  const over = async (server: RealServer, wire: Wire, port: number): Promise<T> => {
    const answers = await sendAll(ground.at(port), wire, certificate, forms);
    return look(
      server,
      wire,
      answers.map((answer) => ({ ...answer, ...told(answer) })),
    );
  };
  const results: T[] = [];
  for (const wire of HTTP1_WIRES)
    results.push(...(await Promise.all(SERVERS.map(async (server) => over(server, wire, server.http1)))));
  for (const wire of HTTP2_WIRES)
    results.push(
      ...(await Promise.all(
        SERVERS.flatMap((server) => (server.http2 === undefined ? [] : [over(server, wire, server.http2)])),
      )),
    );
  return results;
}

/** Without a rule: forms that a server takes for what is denied afterwards. One that takes none for it, not even the plainest, proves nothing. */
async function reality(
  ground: Ground,
  forms: readonly Form[],
  taken: (sent: Sent) => boolean,
): Promise<Played> {
  await ground.rule(OPEN);
  return together(
    await each(ground, forms, (server, wire, sent) => {
      const twins = sent.filter(taken).length;
      console.log(`      ${server.name} over ${wire} takes ${twins} of ${sent.length} forms for it`);
      const wrong = twins > 0 ? [] : [`${server.name} over ${wire}: it takes none of the forms for it`];
      return { attempts: 0, twins, wrong };
    }),
  );
}

async function attack(
  ground: Ground,
  forms: readonly Form[],
  wrong: (sent: Sent) => boolean,
): Promise<Played> {
  return together(
    await each(ground, forms, (server, wire, sent) => ({
      attempts: sent.length,
      twins: 0,
      wrong: sent
        .filter(wrong)
        .map(
          ({ form: { method = 'GET', target, headers, raw }, status, served, read }) =>
            `${server.name} over ${wire}: ${JSON.stringify([method, target, raw ?? headers ?? []])} got ${status}, it served ${JSON.stringify(served)} and read ${JSON.stringify(read)}`,
        ),
    })),
  );
}

/** What is allowed is served. */
async function pass(ground: Ground, forms: readonly Form[]): Promise<Played> {
  return together(
    await each(ground, forms, (server, wire, sent) => ({
      attempts: 0,
      twins: sent.length,
      wrong: sent
        .filter(({ served }) => served !== 'public')
        .map(
          ({ form: { target }, status, reason }) =>
            `${server.name} over ${wire}: ${target}, which is allowed, got ${status} ${reason}`,
        ),
    })),
  );
}
