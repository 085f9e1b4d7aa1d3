import { expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Metrics } from '../../base/index.js';
import { eventually } from '../../testing/eventually.js';
import { measureFront } from './process-metrics.js';

test('what a process takes is read when somebody asks, and nothing of one that has ended', async () => {
  const child = spawn(process.execPath, ['-e', 'for (;;) Math.random()'], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  try {
    const metrics = new Metrics();
    measureFront(metrics, child.pid!);
    const value = async (name: string) =>
      Number(new RegExp(`^weft_front_${name} (\\S+)$`, 'm').exec(await metrics.text())![1]);
    const once = await eventually('it has worked', async () => {
      const seconds = await value('cpu_seconds_total');
      return seconds > 0.05 && seconds;
    });
    await eventually('it has worked more', async () => (await value('cpu_seconds_total')) > once);
    expect(await value('resident_memory_bytes')).toBeGreaterThan(10e6);
    expect(await value('open_fds')).toBeGreaterThan(2);
    child.kill('SIGKILL');
    await ended;
    const total = await value('cpu_seconds_total');
    expect(total).toBeGreaterThan(once);
    expect([await value('resident_memory_bytes'), await value('open_fds')]).toEqual([0, 0]);
    expect(await value('cpu_seconds_total')).toBe(total);
  } finally {
    child.kill('SIGKILL');
  }
}, 60_000);
