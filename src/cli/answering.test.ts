import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { connectPlain, type KubeClient } from '../kube/index.js';
import { answering } from './answering.js';
import { program } from './program.js';

let written: { readonly out: string[]; readonly error: string[] };

beforeEach(() => {
  written = { out: [], error: [] };
  jest.spyOn(process.stdout, 'write').mockImplementation((text) => written.out.push(String(text)) > 0);
  jest.spyOn(process.stderr, 'write').mockImplementation((text) => written.error.push(String(text)) > 0);
});

afterEach(() => {
  jest.restoreAllMocks();
  process.exitCode = undefined;
});

/** A client that counts how often it is closed. */
function closing(): { readonly client: KubeClient; readonly close: jest.SpiedFunction<() => void> } {
  const client = connectPlain('http://127.0.0.1:1');
  return { client, close: jest.spyOn(client, 'close') };
}

test('what is answered is printed, and the one client is closed', async () => {
  const { client, close } = closing();
  const connect = jest.fn(() => client);
  await answering(connect, async (asked) => {
    expect(asked()).toBe(asked());
    return Promise.resolve({ text: 'yes', exitCode: 1 });
  });
  expect(written).toEqual({ out: ['yes\n'], error: [] });
  expect(process.exitCode).toBe(1);
  expect(connect).toHaveBeenCalledTimes(1);
  expect(close).toHaveBeenCalledTimes(1);
});

test('who needs no cluster connects to none', async () => {
  const connect = jest.fn(() => closing().client);
  await answering(connect, () => Promise.resolve({ text: 'yes', exitCode: 0 }));
  expect(process.exitCode).toBe(0);
  expect(connect).not.toHaveBeenCalled();
});

test('where nothing can be said it is told why, in text that moves no cursor, and the client is closed', async () => {
  const { client, close } = closing();
  await answering(
    () => client,
    (asked) => {
      asked();
      return Promise.reject(new Error('no\u0007pe'));
    },
  );
  expect(written.out).toEqual([]);
  expect(written.error).toEqual(['weft: nope\n']);
  expect(process.exitCode).toBe(2);
  expect(close).toHaveBeenCalledTimes(1);
});

test.each([
  ['authz can-i shop/web shop/reviews'],
  ['authz who-can shop/reviews'],
  ['analyze'],
  ['diff -f policy.yaml'],
  ['explain web http://reviews:9080/'],
  ['bug-report -f /nowhere/report.tar.gz'],
])('without a kubeconfig that can be read weft %s exits with 2', async (words) => {
  const weft = program();
  await weft.parseAsync(['node', 'weft', '--kubeconfig', '/nowhere/kubeconfig', ...words.split(' ')]);
  expect(written.out).toEqual([]);
  expect(written.error.join('')).toMatch(/^weft: .*\/nowhere\/kubeconfig/);
  expect(process.exitCode).toBe(2);
});
