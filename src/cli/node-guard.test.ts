import { spawnSync } from 'node:child_process';
import { expect, test } from '@jest/globals';
import { nodeGuard } from './node-guard.js';

/** Runs the guard, and a line behind it, in a Node that says it has this version. */
function run(version: string): {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
} {
  const pretend = `Object.defineProperty(process, 'versions', { value: { node: '${version}' } });`;
  const script = `${pretend}\n${nodeGuard('>=24')}\nprocess.stdout.write('went on');`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  return { status, out: stdout, err: stderr };
}

test.each(['8.17.0', '18.20.4', '20.20.2', '23.11.1'])(
  'Node %s is told in one line what it lacks',
  (version) => {
    const { status, out, err } = run(version);
    expect({ status, out }).toEqual({ status: 1, out: '' });
    expect(err).toMatch(/^weft: needs Node\.js 24 or newer, and this is v\S+; get it from [^\n]+\n$/);
  },
);

test.each(['24.0.0', '26.1.0', '100.0.0'])('Node %s goes on', (version) => {
  expect(run(version)).toEqual({ status: 0, out: 'went on', err: '' });
});

test('a range that the guard cannot hold is an error of the build', () => {
  expect(() => nodeGuard('^24.1')).toThrow('engines.node is "^24.1"');
});
