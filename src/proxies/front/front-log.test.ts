import { expect, test } from '@jest/globals';
import { PassThrough } from 'node:stream';
import { createLogger } from '../../base/index.js';
import { eventually } from '../../testing/eventually.js';
import { passOn } from './front-log.js';
import { frontProgram } from './program.js';

function captured() {
  const lines: Record<string, string>[] = [];
  const destination = {
    write: (line: string) => void lines.push(JSON.parse(line) as Record<string, string>),
  };
  return { lines, log: createLogger({ level: 'debug', destination }).child({ room: 'front' }) };
}

test('lines of the front are lines of the log, of their level', async () => {
  const { lines, log } = captured();
  const said = new PassThrough();
  passOn(said, log);
  said.write('2026-11-30T20:00:00.000000Z  WARN weft_proxy::front::hub: the control plane says noth');
  said.write('ing: its proxies are sent away\n2026-11-30T20:00:01.0Z DEBUG weft_proxy::front: "quoted"\n');
  said.end(`weft-proxy: last words\n${'x'.repeat(100_000)}`);
  await eventually('all of it', () => lines.length === 4);
  expect(lines.map(({ level, room, msg }) => [level, room, msg!.slice(0, 60)])).toEqual([
    ['warn', 'front', 'weft_proxy::front::hub: the control plane says nothing: its p'.slice(0, 60)],
    ['debug', 'front', 'weft_proxy::front: "quoted"'],
    ['error', 'front', 'weft-proxy: last words'],
    ['error', 'front', 'x'.repeat(60)],
  ]);
  expect(lines[3]!.msg!.length).toBeLessThan(3_000);
});

test('a front that writes without end does not fill the log, and its last words are in it', async () => {
  const { lines, log } = captured();
  const said = new PassThrough();
  passOn(said, log);
  said.end(
    `${'2026-11-30T20:00:00.0Z  WARN weft_proxy::front: again\n'.repeat(20_000)}weft-proxy: last words\n`,
  );
  await eventually('the last', () => lines.at(-1)?.['msg'] === 'weft-proxy: last words');
  expect(lines.length).toBeLessThan(2_000);
  expect(lines.at(-1)).toHaveProperty('omitted');
});

test('the last words of a front are in the log when it is known to have ended', async () => {
  const { lines, log } = captured();
  // Not a front, and ends in the same way: with words on standard error.
  const front = frontProgram('/bin/ls', log)();
  expect(await front.ended).toMatch(/ls front ended with [12]/);
  expect(lines.map(({ level, msg }) => [level, msg!.includes('front')])).toEqual([['error', true]]);
});
