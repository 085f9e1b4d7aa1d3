import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';

/** What was measured where and when: the machine, and versions of the peers. */
export function machine({ envoy }: { readonly envoy: string }): object {
  const version = (command: string, ...args: string[]): string =>
    execFileSync(command, args, { encoding: 'utf8' }).trim().split('\n')[0] ?? '';
  return {
    cpus: cpus().map(({ model }) => model),
    memoryMB: Math.round(totalmem() / 1e6),
    kernel: release(),
    loadAverage: loadavg(),
    haproxy: version('haproxy', '-v'),
    envoy: version(envoy, '--version'),
    date: new Date().toISOString(),
  };
}
