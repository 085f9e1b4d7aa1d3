import { mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Process, start, stop } from '../e2e/netns/process.js';
import { PODS, PORTS, makePods, removePods } from './pods.js';
import type { Subject } from './subject.js';
import {
  type Figures,
  type Work,
  body,
  busyMemory,
  firstAnswer,
  fixedRate,
  http1,
  http2,
  idleMemory,
  memoryAfterBurst,
  newConnections,
  opaque,
} from './work.js';

export interface Effort {
  /** Holds the file `100MB` and what this writes. */
  readonly directory: string;
  /** Seconds that each load lasts. */
  readonly seconds: number;
  /** The load generator of this folder. */
  readonly load: string;
}

/** nginx for both versions of HTTP with one worker, and our own server for bytes. */
async function application(directory: string, load: string): Promise<() => Promise<void>> {
  const config = join(directory, 'nginx.conf');
  const server = (listen: string): string => `server {
    listen ${listen};
    keepalive_requests 1000000000;
    location = / { default_type text/plain; return 200 "fifty-seven bytes of text, as small as many an answer is\\n"; }
    location = /100MB { alias ${directory}/100MB; }
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
  ];
  return () => stop(processes);
}

/** Makes pods and application, starts the proxies, does it, and takes all of it away again. */
export async function inFreshPods(
  subject: Subject | 'direct',
  { directory, load }: Effort,
  does: (work: Pick<Work, 'address' | 'proxies'>) => Promise<void>,
): Promise<void> {
  await makePods();
  const endApplication = await application(directory, load);
  const place = { directory: await mkdtemp(join(directory, 'start-')) };
  let proxies: readonly Process[] = [];
  try {
    if (subject !== 'direct') proxies = await subject.start(place);
    await does({ address: subject === 'direct' ? PODS.server : subject.address, proxies });
  } catch (error) {
    for (const log of (await readdir(place.directory)).filter((name) => name.endsWith('.log'))) {
      console.error(`--- ${log}\n${await readFile(join(place.directory, log), 'utf8')}`);
    }
    throw error;
  } finally {
    await stop(proxies);
    await endApplication();
    await removePods();
  }
}

/** Everything once for one subject. */
export async function round(subject: Subject | 'direct', effort: Effort): Promise<Figures> {
  const figures: Figures = new Map();
  const common = { figures, seconds: effort.seconds, load: effort.load };
  await inFreshPods(subject, effort, async (place) => {
    const work = { ...place, ...common };
    await idleMemory(work);
    // The line is Weft's own, and a minute of each round too long to spend on others.
    if (subject !== 'direct' && subject.name === 'weft') await memoryAfterBurst(work);
  });
  await inFreshPods(subject, effort, async (place) => {
    const work = { ...place, ...common };
    await firstAnswer(work);
    await busyMemory(work);
    await http1(work, 64);
    await http1(work, 1);
    await http2(work);
    await fixedRate(work);
    await body(work);
    await opaque(work);
    await newConnections(work);
  });
  return figures;
}
