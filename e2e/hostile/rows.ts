import { create, toBinary } from '@bufbuild/protobuf';
import { names, sleep } from '../../src/base/index.js';
import { DeltaDiscoveryRequestSchema } from '../../src/wire/gen/envoy/service/discovery/v3/ads_pb.js';
import { Direction, ReportRequestSchema } from '../../src/wire/gen/weft/telemetry/v1/telemetry_pb.js';
import { framed, overHttp2 } from './http2.js';
import { grpc, type Port, type Weapons } from './weapons.js';

/** Something that a pod tries: without a certificate of the mesh, except where a row says `admitted`. */
export interface Row {
  readonly name: string;
  readonly play: (weapons: Weapons) => Promise<void>;
}

const CERTIFY = '/weft.identity.v1.IdentityAuthority/Certify';
const DELTAS = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
const REPORT = '/weft.telemetry.v1.Telemetry/Report';
/** The beginning of a ClientHello that says it goes on. */
const HALF_HELLO = Buffer.from('16030105f8010005f40303', 'hex');

const asking = (node: string, names: readonly string[]): Buffer =>
  framed(
    toBinary(
      DeltaDiscoveryRequestSchema,
      create(DeltaDiscoveryRequestSchema, {
        node: { id: node },
        typeUrl: 'type.weft.dev/weft.v1.Destination',
        resourceNamesSubscribe: [...names],
      }),
    ),
  );

const post = (length: string, path = '/inject'): string =>
  `POST ${path} HTTP/1.1\r\nhost: weft\r\n${length}\r\n\r\n`;

/** The same against a port, whatever it serves. */
const against = (port: Port): Row[] => [
  { name: `${port}: 9,000 sockets that say nothing`, play: (w) => w.crowd(9_000, () => w.tcp(port)) },
  {
    name: `${port}: 500 handshakes that stop half-way`,
    play: (w) => w.crowd(500, () => w.tcp(port).write(HALF_HELLO)),
  },
  {
    name: `${port}: handshakes one after the other`,
    play: (w) => w.flood(16, async () => (await w.tls(port))?.destroy()),
  },
  {
    name: `${port}: connections that are dropped at once`,
    play: (w) =>
      w.flood(16, async () => {
        const socket = w.tcp(port);
        await sleep(2);
        socket.destroy();
      }),
  },
];

const WEBHOOK: Row[] = [
  { name: 'webhook: 300 connections without a request', play: (w) => w.crowd(300, () => w.tls('webhook')) },
  {
    name: 'webhook: headers a byte at a time',
    play: (w) =>
      w.flood(100, async () => {
        const socket = await w.tls('webhook');
        socket?.write('POST /inject HTTP/1.1\r\nx: ');
        while (socket?.writable === true && !w.signal.aborted) {
          socket.write('x');
          await sleep(100);
        }
      }),
  },
  {
    name: 'webhook: 120 uploads of 3.4 MB that stop after 3 MB',
    play: (w) =>
      w.crowd(120, async () => {
        const socket = await w.tls('webhook');
        socket?.write(post('content-length: 3400000'));
        socket?.write(Buffer.alloc(3_000_000, 32));
      }),
  },
  {
    name: 'webhook: a body of a gigabyte',
    play: (w) =>
      w.flood(8, async () => {
        const socket = await w.tls('webhook');
        socket?.write(post('content-length: 1000000000'));
        for (let i = 0; i < 50 && socket?.writable === true; i++) {
          socket.write(Buffer.alloc(100_000, 32));
          await sleep(1);
        }
        socket?.destroy();
      }),
  },
  {
    name: 'webhook: a body in chunks without end',
    play: (w) =>
      w.flood(8, async () => {
        const socket = await w.tls('webhook');
        socket?.write(post('transfer-encoding: chunked'));
        for (let i = 0; i < 50 && socket?.writable === true; i++) {
          socket.write(`10000\r\n${' '.repeat(65_536)}\r\n`);
          await sleep(1);
        }
        socket?.destroy();
      }),
  },
  {
    name: 'webhook: requests that are not JSON, as fast as they go',
    play: (w) =>
      w.flood(20, async () => {
        const socket = await w.tls('webhook');
        for (let i = 0; i < 500 && socket?.writable === true && !w.signal.aborted; i++) {
          socket.write(`${post('content-length: 1')}{`);
          await sleep(1);
        }
        socket?.destroy();
      }),
  },
  {
    name: 'webhook: reviews of 3.4 MB, as fast as they go',
    play: (w) =>
      w.flood(8, async () => {
        const socket = await w.tls('webhook');
        const body = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","x":"${'x'.repeat(3_400_000)}"}`;
        socket?.write(post(`content-length: ${body.length}`));
        socket?.write(body);
        await sleep(200);
        socket?.destroy();
      }),
  },
  {
    name: 'webhook: JSON a million levels deep',
    play: (w) =>
      w.flood(4, async () => {
        const socket = await w.tls('webhook');
        socket?.write(post('content-length: 1000000'));
        socket?.write('['.repeat(1_000_000));
        await sleep(100);
        socket?.destroy();
      }),
  },
];

const CERTIFICATES: Row[] = [
  { name: 'csr: 300 connections without a request', play: (w) => w.crowd(300, () => w.http2('csr')) },
  {
    name: 'csr: requests without a token, on one connection',
    play: (w) => ask(w, {}),
  },
  {
    name: 'csr: requests with tokens of nobody, which the API server has to look at',
    play: (w) => ask(w, { authorization: 'Bearer nobody' }),
  },
  {
    name: 'csr: one pod asks for certificates without end',
    play: (w) => ask(w, { authorization: 'Bearer hostile' }),
  },
  {
    name: 'csr: streams that are opened and say nothing',
    play: (w) =>
      w.flood(20, async () => {
        const session = await w.http2('csr');
        for (let i = 0; i < 100 && session !== undefined; i++) grpc(session, CERTIFY);
        await sleep(500);
      }),
  },
  ...overHttp2('csr', CERTIFY),
];

const CONFIG: Row[] = [
  {
    name: 'config, admitted: 200 connections',
    play: (w) => w.crowd(200, () => w.http2('config', w.admitted)),
  },
  {
    name: 'config, admitted: connects again and again',
    play: (w) => w.flood(8, async () => (await w.http2('config', w.admitted))?.destroy()),
  },
  {
    name: 'config, admitted: streams without a first request',
    play: (w) =>
      w.flood(16, async () => {
        const session = await w.http2('config', w.admitted);
        for (let i = 0; i < 16 && session !== undefined; i++) grpc(session, DELTAS);
        await sleep(500);
      }),
  },
  {
    name: 'config, admitted: names a pod that nobody knows, then sends much',
    play: (w) =>
      stream(w, (write) => [
        write(asking('nobody', [])),
        ...many(() => write(framed(Buffer.alloc(1_000_000)))),
      ]),
  },
  {
    name: 'config, admitted: names another pod',
    play: (w) => stream(w, (write) => [write(asking('honest-1', ['ip/10.96.0.5:8080']))]),
  },
  {
    name: 'config, admitted: 20,000 names of 200 bytes, none acknowledged',
    play: (w) =>
      stream(w, (write) => {
        write(asking('hostile', ['ip/10.96.0.5:8080']));
        return Array.from({ length: 40 }, (_, part) =>
          write(
            asking(
              '',
              Array.from({ length: 500 }, (_name, i) => `host/${part}-${i}.${'x'.repeat(180)}`),
            ),
          ),
        );
      }),
  },
  {
    name: 'config, admitted: subscribes and never reads',
    play: (w) =>
      w.flood(4, async () => {
        const session = await w.http2('config', w.admitted);
        const call = session === undefined ? undefined : grpc(session, DELTAS);
        call?.pause();
        for (let i = 0; i < 200 && call?.writable === true; i++) {
          call.write(asking(i === 0 ? 'hostile' : '', [`ip/10.96.${i}.5:8080`]));
          await sleep(5);
        }
        session?.destroy();
      }),
  },
  {
    name: 'config, admitted: subscribes to what changes a hundred times a second and never reads',
    play: (w) =>
      w.crowd(4, async () => {
        const session = await w.http2('config', w.admitted);
        const call = session === undefined ? undefined : grpc(session, DELTAS);
        call?.pause();
        call?.write(asking('hostile', ['ip/10.96.0.5:8080']));
      }),
  },
  {
    name: 'config, admitted: messages of a megabyte that are never whole',
    play: (w) =>
      w.crowd(16, async () => {
        const session = await w.http2('config', w.admitted);
        const call = session === undefined ? undefined : grpc(session, DELTAS);
        call?.resume();
        call?.write(asking('hostile', ['ip/10.96.0.5:8080']));
        call?.write(framed(Buffer.alloc(1_000_000), 1_000_001));
      }),
  },
  ...overHttp2('config', DELTAS),
  {
    name: 'config: the front is frozen, again and again, for half a second',
    play: async (w) => {
      while (!w.signal.aborted) {
        await w.freezeFront(500);
        await sleep(500);
      }
    },
  },
  {
    name: 'config, admitted: pings and settings as fast as they go',
    play: (w) =>
      w.flood(4, async () => {
        const session = await w.http2('config', w.admitted);
        for (let i = 0; i < 1_000 && session?.destroyed === false && !w.signal.aborted; i++) {
          session.ping(() => undefined);
          session.settings({ initialWindowSize: 65_535 + (i % 2) });
          if (i % 5 === 4) await sleep(1);
        }
        session?.destroy();
      }),
  },
];

const VIEW: Row[] = [
  {
    name: 'view: 300 connections without a request',
    play: (w) => w.crowd(300, () => w.tls('view')),
  },
  {
    name: 'view: tokens of nobody, which the API server has to look at',
    play: (w) =>
      w.flood(8, async () => {
        const socket = await w.tls('view');
        socket?.resume();
        for (let i = 0; i < 500 && socket?.writable === true && !w.signal.aborted; i++) {
          socket.write(
            `GET /traffic HTTP/1.1\r\nhost: weft\r\n${names.VIEW_TOKEN_HEADER}: nobody-${i}\r\n\r\n`,
          );
          await sleep(1);
        }
        socket?.destroy();
      }),
  },
];

const REPORTS: Row[] = [
  {
    name: 'config, admitted: reports that are no reports',
    play: (w) => reports(w, () => Buffer.alloc(200, 255)),
  },
  {
    name: 'config, admitted: reports of 60 KB that name 400 edges each, as fast as they go',
    play: (w) =>
      reports(w, (round) =>
        toBinary(
          ReportRequestSchema,
          create(ReportRequestSchema, {
            edges: Array.from({ length: 400 }, (_, i) => ({
              direction: Direction.OUTBOUND,
              destination: `shop/${round}-${i}-${'x'.repeat(100)}:8080`,
            })),
            counts: Array.from({ length: 400 }, (_, i) => ({
              edge: round * 400 + i,
              grown: [0n, 2n ** 60n],
            })),
            coversMs: 1_000,
          }),
        ),
      ),
  },
];

const HEALTH: Row[] = [
  { name: 'health: 1,000 sockets that say nothing', play: (w) => w.crowd(1_000, () => w.tcp('health')) },
  {
    name: 'health: metrics as fast as they go',
    play: (w) =>
      w.flood(16, async () => {
        const socket = w.tcp('health');
        socket.resume();
        for (let i = 0; i < 200 && socket.writable && !w.signal.aborted; i++) {
          socket.write('GET /metrics HTTP/1.1\r\nhost: weft\r\n\r\n');
          await sleep(2);
        }
        socket.destroy();
      }),
  },
];

/** Everything that is tried. */
export const ROWS: readonly Row[] = [
  ...against('webhook'),
  ...WEBHOOK,
  ...against('csr'),
  ...CERTIFICATES,
  ...against('config'),
  ...CONFIG,
  ...REPORTS,
  ...against('view'),
  ...VIEW,
  ...HEALTH,
];

/** Asks for certificates as fast as answers come, four at once, with whatever proves nothing. */
async function ask(weapons: Weapons, headers: Readonly<Record<string, string>>): Promise<void> {
  await weapons.flood(4, async () => {
    const session = await weapons.http2('csr');
    for (let i = 0; i < 500 && session?.destroyed === false && !weapons.signal.aborted; i++) {
      grpc(session, CERTIFY, headers)?.end(framed(Buffer.alloc(100)));
      if (i % 4 === 3) await sleep(1);
    }
    session?.destroy();
  });
}

/** Opens config streams as an admitted pod and sends on each what `messages` writes. */
async function stream(
  weapons: Weapons,
  messages: (write: (bytes: Buffer) => boolean) => readonly boolean[],
): Promise<void> {
  await weapons.flood(8, async () => {
    const session = await weapons.http2('config', weapons.admitted);
    const call = session === undefined ? undefined : grpc(session, DELTAS);
    messages((bytes) => call?.writable === true && call.write(bytes));
    await sleep(300);
    session?.destroy();
  });
}

/** Opens streams of reports as an admitted pod and sends on each what `report` makes of its number. */
async function reports(weapons: Weapons, report: (round: number) => Uint8Array): Promise<void> {
  await weapons.flood(4, async () => {
    const session = await weapons.http2('config', weapons.admitted);
    const call = session === undefined ? undefined : grpc(session, REPORT);
    const first = create(ReportRequestSchema, { podUid: 'hostile' });
    call?.write(framed(toBinary(ReportRequestSchema, first)));
    for (let round = 0; round < 200 && call?.writable === true && !weapons.signal.aborted; round++) {
      call.write(framed(report(round)));
      await sleep(2);
    }
    session?.destroy();
  });
}

function many(write: () => boolean): boolean[] {
  return Array.from({ length: 16 }, write);
}
