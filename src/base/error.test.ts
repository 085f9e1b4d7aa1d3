import { connect } from 'node:net';
import { once } from 'node:events';
import { expect, test } from '@jest/globals';
import { z } from 'zod';
import { MeshError } from './error.js';

test('a MeshError passes through from() unchanged', () => {
  const error = new MeshError('conflict', 'somebody else wrote first');
  expect(MeshError.from(error)).toBe(error);
  expect(error.retryable).toBe(true);
});

test('a refused connection is unavailable, and keeps its cause', async () => {
  const [thrown] = await once(connect({ port: 1, host: '127.0.0.1' }), 'error');
  const error = MeshError.from(thrown);
  expect(error.code).toBe('unavailable');
  expect(error.cause).toBe(thrown);
});

test('an aborted signal is aborted and a timed out one is a timeout', () => {
  expect(MeshError.from(AbortSignal.abort().reason).code).toBe('aborted');
  expect(MeshError.from(new DOMException('late', 'TimeoutError')).code).toBe('timeout');
});

test('something that is no error takes the fallback code', () => {
  expect(MeshError.from('odd').code).toBe('internal');
  expect(MeshError.from(new Error('odd'), 'invalid')).toMatchObject({
    code: 'invalid',
    message: 'odd',
    retryable: false,
  });
});

test('data that does not fit its schema is told by its fields, not as JSON', () => {
  const schema = z.object({ pods: z.array(z.object({ name: z.string() })) });
  const { error } = schema.safeParse({ pods: [{ name: 1 }] });
  expect(MeshError.from(error).message).toBe('pods.0.name: Invalid input: expected string, received number');
  expect(MeshError.from(z.string().safeParse(1).error).message).toBe(
    'Invalid input: expected string, received number',
  );
});
