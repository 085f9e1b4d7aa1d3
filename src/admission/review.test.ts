import { expect, test } from '@jest/globals';
import { MeshError } from '../base/index.js';
import { aReview } from './inject/fixtures.js';
import {
  allowed,
  answerReview,
  answerUnreadable,
  denied,
  patched,
  type Handler,
  type Outcome,
} from './review.js';

const uid = '6e1c1f37-9f5a-4a2e-8a4e-3f6f0f2a7a10';
const handled = (handler: Handler, body: unknown = aReview({}), deadlineMs = 1_000) =>
  answerReview(body, handler, deadlineMs).then(({ review }) => review.response);

test('allowing changes nothing, and an empty patch is no patch', async () => {
  expect(await handled(() => allowed())).toEqual({ uid, allowed: true });
  expect(await handled(() => patched([]))).toEqual({ uid, allowed: true });
});

test('a patch goes out as base64 of its JSON', async () => {
  const operations = [{ op: 'add', path: '/metadata/labels', value: { a: 'ü' } }] as const;
  const response = await handled(() => patched(operations));
  expect(response).toMatchObject({ uid, allowed: true, patchType: 'JSONPatch' });
  expect(JSON.parse(Buffer.from(response.patch ?? '', 'base64').toString('utf8'))).toEqual(operations);
});

test('a denial carries its message', async () => {
  expect(await handled(() => denied('no'))).toEqual({
    uid,
    allowed: false,
    status: { code: 403, message: 'no' },
  });
});

test('the handler sees the namespace, the operation and the object', async () => {
  let seen: unknown;
  await handled(
    (request) => {
      seen = request;
      return allowed();
    },
    aReview({ kind: 'Pod' }),
  );
  expect(seen).toMatchObject({ uid, namespace: 'shop', operation: 'CREATE', object: { kind: 'Pod' } });
});

test.each([
  ['a throw', () => Promise.reject(new Error('broken')), 500, /broken/],
  [
    'a throw before the first await',
    () => {
      throw new TypeError('oops');
    },
    500,
    /oops/,
  ],
  // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the point of the row
  ['something thrown that is no error', () => Promise.reject('odd'), 500, /odd/],
  ['an object of the wrong shape', () => Promise.reject(new MeshError('invalid', 'no pod')), 400, /no pod/],
] satisfies [string, () => Promise<Outcome>, number, RegExp][])(
  '%s becomes a refusal with the uid',
  async (...row) => {
    const [, handler, code, message] = row;
    const response = await handled(handler);
    expect(response).toMatchObject({ uid, allowed: false, status: { code } });
    expect(response.status?.message).toMatch(message);
  },
);

test('a handler that takes too long is told so, and the answer goes out in time', async () => {
  let told = false;
  const never: Handler = (_request, signal) =>
    new Promise(() => signal.addEventListener('abort', () => (told = true)));
  expect(await handled(never, aReview({}), 20)).toMatchObject({ uid, allowed: false, status: { code: 504 } });
  expect(told).toBe(true);
});

test.each([
  ['of another version', { ...aReview({}), apiVersion: 'admission.k8s.io/v1beta1' }, uid],
  ['without an operation', { ...aReview({}), request: { uid } }, uid],
  ['without a request', { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' }, ''],
  ['that is a string', 'hello', ''],
  ['that is nothing', null, ''],
])('a body %s is refused with whatever uid it has', async (_what, body, expected) => {
  const response = await handled(() => allowed(), body);
  expect(response).toMatchObject({ uid: expected, allowed: false, status: { code: 400 } });
});

test('a body that cannot be read is answered with a review as well', () => {
  expect(answerUnreadable(413, 'too long').review.response).toEqual({
    uid: '',
    allowed: false,
    status: { code: 413, message: 'too long' },
  });
});
