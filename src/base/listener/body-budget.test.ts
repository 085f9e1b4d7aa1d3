import { PassThrough } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import { expect, test } from '@jest/globals';
import { untilPasses } from '../../testing/until-passes.js';
import { BodyBudget } from './body-budget.js';

const options = { totalBytes: 1_000, maxBytes: 600, timeoutMs: 60_000 };

/** A request from an address, whose body a test writes. */
function upload(address: string, length: number): PassThrough & IncomingMessage {
  const headers = { 'content-length': String(length) };
  return Object.assign(new PassThrough(), {
    headers,
    socket: { remoteAddress: address },
  }) as unknown as PassThrough & IncomingMessage;
}

const length = (body: Buffer): Promise<number> => Promise.resolve(body.length);

test('bytes count from their arrival until they have been worked on', async () => {
  const budget = new BodyBudget(options);
  const body = upload('10.0.0.1', 500);
  const work = Promise.withResolvers<string>();
  const used = budget.use(body, () => work.promise);
  body.write('x'.repeat(200));
  await untilPasses(() => expect(budget.bytes).toBe(200));
  body.end('x'.repeat(300));
  await untilPasses(() => expect(budget.bytes).toBe(500));
  work.resolve('done');
  expect(await used).toBe('done');
  expect(budget.bytes).toBe(0);
});

test('slow uploads of one address give way, the largest first, and a small request of another comes through', async () => {
  const budget = new BodyBudget(options);
  const slow = [400, 300, 290].map((bytes) => {
    const body = upload('10.0.0.66', 600);
    body.write('x'.repeat(bytes));
    return budget.use(body, length).then(
      () => 200,
      (thrown: unknown) => (thrown as { status: number }).status,
    );
  });
  await untilPasses(() => expect(budget.bytes).toBe(990));
  const honest = upload('10.0.0.1', 50);
  const answered = budget.use(honest, length);
  honest.end('x'.repeat(50));
  expect(await answered).toBe(50);
  expect(await slow[0]).toBe(429);
  expect(budget.bytes).toBe(590);
});

test('announcing much holds nothing: only what arrives counts', async () => {
  const budget = new BodyBudget(options);
  for (let i = 0; i < 100; i++) budget.use(upload('10.0.0.66', 600), length).catch(() => undefined);
  const honest = upload('10.0.0.1', 600);
  const answered = budget.use(honest, length);
  honest.end('x'.repeat(600));
  expect(await answered).toBe(600);
});

test.each([
  ['without a length', undefined, 411],
  ['that announces too much', '601', 413],
])('a body %s is refused unread', async (_, announced, status) => {
  const budget = new BodyBudget(options);
  const body = upload('10.0.0.1', 0);
  if (announced === undefined) delete body.headers['content-length'];
  else body.headers['content-length'] = announced;
  await expect(budget.use(body, length)).rejects.toMatchObject({ status });
});

test('a body that does not arrive in time is given up, and its bytes are given back', async () => {
  const budget = new BodyBudget({ ...options, timeoutMs: 20 });
  const body = upload('10.0.0.1', 600);
  body.write('x');
  await expect(budget.use(body, length)).rejects.toMatchObject({ status: 408 });
  expect(budget.bytes).toBe(0);
});
