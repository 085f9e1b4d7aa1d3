import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createLogger, sleep } from '../base/index.js';
import { ApiServer, untilPasses } from '../testing/index.js';
import { connectPlain, type KubeClient } from './client.js';
import { superviseInformers } from './supervise.js';

const log = createLogger({ level: 'silent' });
let server: ApiServer;
let client: KubeClient;
let abort: AbortController;

beforeEach(async () => {
  server = await ApiServer.start();
  client = connectPlain(server.url);
  abort = new AbortController();
});

afterEach(async () => {
  abort.abort();
  client.close();
  await server.stop();
});

function supervise(silentSeconds: number): { reasons: string[]; done: Promise<void> } {
  const reasons: string[] = [];
  const informers = [{ kind: 'Pod', silentSeconds }];
  const restart = (reason: string): void => void reasons.push(reason);
  const options = { client, log, informers, restart, silentSeconds: 1, checkMs: 5 };
  return { reasons, done: superviseInformers(options, abort.signal) };
}

test('a stale cache while the API server answers asks for a restart, once', async () => {
  const { reasons, done } = supervise(100);
  await done;
  expect(reasons).toEqual(['nothing heard about Pod for 100 s although the API server answers']);
});

test('a stale cache while the API server is down does not: what is known goes on being served', async () => {
  await server.stop();
  const { reasons, done } = supervise(100);
  await sleep(60);
  expect(reasons).toEqual([]);
  abort.abort();
  await done;
  server = await ApiServer.start();
});

test('a fresh cache does not', async () => {
  const { reasons, done } = supervise(0.1);
  await sleep(40);
  abort.abort();
  await done;
  expect(reasons).toEqual([]);
  await untilPasses(() => expect(server.requests).toEqual([]));
});
