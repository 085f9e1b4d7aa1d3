import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { inPod } from '../e2e/netns/process.js';
import { PORTS, privateOf, rssOf } from './pods.js';
import { type Work, firstAnswer } from './work.js';

/** The larger VmRSS of both proxies in MB. */
function rss(work: Work): number {
  return Math.max(...work.proxies.map(rssOf));
}

/** How long proxies and connections have been idle when their memory is looked at. */
const IDLE_MILLIS = 3000;

/** Of fresh proxies: before any request, and with 1,000 connections that asked once and idle. */
export async function idleMemory(work: Work): Promise<void> {
  if (work.proxies.length === 0) return;
  await sleep(IDLE_MILLIS);
  work.figures.set('rss idle', rss(work));
  work.figures.set('private idle', Math.max(...work.proxies.map(privateOf)));
  await firstAnswer(work);
  const before = work.proxies.map(rssOf);
  const connections = work.seconds < 2 ? 100 : 1000;
  const release = await hold(work, connections);
  await sleep(IDLE_MILLIS);
  const added = work.proxies.map((proxy, index) => rssOf(proxy) - (before[index] ?? Number.NaN));
  work.figures.set('rss of 1,000 idle', (Math.max(...added) * 1000) / connections);
  await release();
}

/** A minute after 5,000 connections that asked once have closed; a smoke run has no minute. */
export async function memoryAfterBurst(work: Work): Promise<void> {
  const release = await hold(work, work.seconds < 2 ? 100 : 5000);
  await release();
  await sleep(work.seconds < 2 ? 1000 : 60_000);
  work.figures.set('rss after 5,000', rss(work));
}

/** Opens connections that ask once and idle; the result closes them. */
async function hold(work: Work, connections: number): Promise<() => Promise<void>> {
  const holder = spawn(
    'ip',
    [
      'netns',
      'exec',
      'client',
      work.load,
      'idle',
      `${work.address}:${PORTS.http1}`,
      '/',
      String(connections),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  await saysSomething(holder);
  return async () => {
    holder.stdin.end();
    await once(holder, 'exit');
  };
}

async function saysSomething(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit').then(() =>
    Promise.reject(new Error('the idle connections could not be made')),
  );
  ended.catch(() => undefined);
  if (child.stdout === null) throw new Error('no output to wait for');
  await Promise.race([once(child.stdout, 'data'), ended]);
}

/** Long enough that what only starting touched is not counted. */
const BUSY_SECONDS = 5;

/** While 100 HTTP/1.1 and 10 HTTP/2 connections are busy, and once they have ended. */
export async function busyMemory(work: Work): Promise<void> {
  if (work.proxies.length === 0) return;
  const seconds = work.seconds < 2 ? work.seconds : BUSY_SECONDS;
  const busy = Promise.all([
    inPod('client', 'wrk', '-t1', '-c100', `-d${seconds}s`, `http://${work.address}:${PORTS.http1}/`),
    inPod(
      'client',
      'h2load',
      '-t1',
      '-c10',
      '-m8',
      `--duration=${seconds}`,
      `http://${work.address}:${PORTS.http2}/`,
    ),
  ]);
  await sleep(seconds * 800);
  work.figures.set('rss busy', rss(work));
  work.figures.set('private busy', Math.max(...work.proxies.map(privateOf)));
  await busy;
  work.figures.set('rss after', rss(work));
}
