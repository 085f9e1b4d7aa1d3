import { mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Process, start, stop } from '../e2e/netns/process.js';
import { PODS, PORTS, makePods, removePods } from './pods.js';
import { busyMemory, idleMemory, memoryAfterBurst } from './footprint.js';
import { grpc, webSocket } from './protocols.js';
import type { Entrant, Place, Started, Subject } from './subject.js';
import {
  type Figures,
  type Work,
  body,
  firstAnswer,
  fixedRate,
  http1,
  http2,
  newConnections,
  opaque,
} from './work.js';

export interface Effort {
  /** Holds what nginx serves, see `layOutBodies`, and what this writes. */
  readonly directory: string;
  /** Seconds that each load lasts. */
  readonly seconds: number;
  /** The load generator of this folder. */
  readonly load: string;
  /** The application of the end-to-end tests; absent: none that speaks gRPC. */
  readonly grpcServer?: string;
}

/** What nginx serves from its directory. */
const FILES = ['1KB', '64KB', '100MB'] as const;

/** Makes what nginx serves; `large` is the length of what is called 100MB. */
export async function layOutBodies(directory: string, large = 100_000_000): Promise<void> {
  const lengths = { '1KB': 1000, '64KB': 64_000, '100MB': large };
  for (const [file, length] of Object.entries(lengths)) {
    await writeFile(join(directory, file), Buffer.alloc(length, 'weft'));
  }
}

/** nginx for both versions of HTTP with one worker, and our own server for bytes. */
async function application({ directory, load, grpcServer }: Effort): Promise<readonly Process[]> {
  const config = join(directory, 'nginx.conf');
  const server = (listen: string): string => `server {
    listen ${listen};
    keepalive_requests 1000000000;
    location = / { default_type text/plain; return 200 "fifty-seven bytes of text, as small as many an answer is\\n"; }
    location = /1B { default_type text/plain; return 200 "1"; }
    ${FILES.map((file) => `location = /${file} { alias ${directory}/${file}; }`).join(' ')}
  }`;
  await writeFile(
    config,
    `user root; daemon off; master_process off; worker_processes 1; pid ${directory}/nginx.pid; error_log stderr;
    events { worker_connections 8192; }
    http { access_log off; sendfile on; tcp_nopush on; keepalive_timeout 1h;
    client_body_temp_path ${directory}/t1; proxy_temp_path ${directory}/t2; fastcgi_temp_path ${directory}/t3;
    uwsgi_temp_path ${directory}/t4; scgi_temp_path ${directory}/t5;
    ${server(String(PORTS.http1))} ${server(`${PORTS.http2} http2`)} }`,
  );
  const log = join(directory, 'application.log');
  const processes = [
    start('server', ['nginx', '-c', config], { name: 'nginx', log }),
    start('server', [load, 'serve', String(PORTS.opaque)], { name: 'bytes', log }),
    start('server', [load, 'serve', String(PORTS.webSocket)], { name: 'websocket', log }),
  ];
  if (grpcServer !== undefined) {
    const serve = [grpcServer, 'serve', '-http', '127.0.0.1:8090', '-grpc', `:${PORTS.grpc}`];
    processes.push(start('server', serve, { name: 'grpc', log }));
  }
  return processes;
}

/** Makes pods and application, starts the proxies, does it, and takes all of it away again. */
export async function inFreshPods(
  subject: Subject | 'direct',
  effort: Effort,
  does: (work: Pick<Work, 'address' | 'proxies' | 'servers'> & Place, started?: Started) => Promise<void>,
): Promise<void> {
  await makePods();
  const servers = await application(effort);
  const place = { directory: await mkdtemp(join(effort.directory, 'start-')) };
  let proxies: readonly Process[] = [];
  try {
    const started = subject === 'direct' ? undefined : await subject.start(place);
    proxies = started?.proxies ?? [];
    const address = subject === 'direct' ? PODS.server : subject.address;
    await does({ address, proxies, servers, ...place }, started);
  } catch (error) {
    for (const log of (await readdir(place.directory)).filter((name) => name.endsWith('.log'))) {
      console.error(`--- ${log}\n${await readFile(join(place.directory, log), 'utf8')}`);
    }
    throw error;
  } finally {
    await stop(proxies);
    await stop(servers);
    await removePods();
  }
}

/** Part of the usual time for what is reported only. */
const SHORT = 0.5;

/** As many connections and processors for each worker as the row `h1 one processor` has. */
const TWO_WORKERS = { connections: 128, placement: 'two' } as const;

/** Everything once for one entrant. */
export async function round({ usual, plain, variants }: Entrant, effort: Effort): Promise<Figures> {
  const figures: Figures = new Map();
  const common = { figures, seconds: effort.seconds, load: effort.load };
  await inFreshPods(usual, effort, async (place, started) => {
    const work = { ...place, ...common };
    if (started !== undefined) figures.set('start to ready', started.millisToReady);
    if (started?.millisFromCertificate !== undefined)
      figures.set('certificate to ready', started.millisFromCertificate);
    await idleMemory(work);
    // The line is Weft's own, and a minute of each round too long to spend on others.
    if (usual !== 'direct' && usual.name === 'weft') await memoryAfterBurst(work);
  });
  await inFreshPods(usual, effort, async (place) => {
    const work = { ...place, ...common };
    await firstAnswer(work);
    await busyMemory(work);
    await http1(work, { row: 'h1 c=64', connections: 64 });
    await http1(work, { row: 'h1 c=1', connections: 1 });
    await http2(work, { row: 'h2' });
    await fixedRate(work);
    await body(work);
    await opaque(work);
    await newConnections(work);
    await reported(work, effort);
  });
  const hops = [...(plain === undefined ? [] : [['plain hop', plain] as const]), ...variants];
  for (const [row, subject] of hops) {
    await inFreshPods(subject, effort, async (place) => {
      const work = { ...place, ...common };
      await firstAnswer(work);
      const load = { row, share: SHORT, ...(row === 'two workers' ? TWO_WORKERS : { connections: 64 }) };
      // Everything else is measured of proxies that have been busy before.
      await http1({ ...work, figures: new Map() }, load);
      await http1(work, load);
    });
  }
  return figures;
}

/** What has no line to cross: other places, numbers of connections, lengths and protocols. */
async function reported(work: Work, { directory, seconds }: Effort): Promise<void> {
  for (const [name, placement] of [
    ['one processor', 'one'],
    ['proxies one', 'apart'],
    ['each pod one', 'pods'],
  ] as const) {
    await http1(work, { row: `h1 ${name}`, connections: 64, share: SHORT, placement });
    await http2(work, { row: `h2 ${name}`, share: SHORT, placement });
  }
  await http1(work, { row: 'h1 c=10', connections: 10, share: SHORT });
  await http1(work, { row: 'h1 c=1,000', connections: 1000, share: SHORT });
  for (const [row, path] of [
    ['1 B', '/1B'],
    ['1 KB', '/1KB'],
    ['64 KB', '/64KB'],
  ] as const) {
    await http1(work, { row, path, connections: 64, share: SHORT });
  }
  await grpc(work, directory, Math.ceil(seconds * SHORT));
  await webSocket(work, seconds * SHORT);
}
