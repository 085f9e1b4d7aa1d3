import { execFile } from 'node:child_process';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Root of the checkout; jest and the demo both start there. */
export const ROOT = resolve(process.cwd());

const TOOLS = join(homedir(), '.cache/weft/cluster/current/bin');
let kubeconfig: string | undefined;

/** A command that ended badly; the message holds what it printed, because that is what a person needs. */
export class CommandError extends Error {
  constructor(
    readonly command: string,
    readonly code: number | string | null,
    readonly stdout: string,
    readonly stderr: string,
  ) {
    super(`${command} ended with ${code ?? 'a signal'}\n${stdout}${stderr}`);
  }
}

export interface RunOptions {
  readonly input?: string;
  /** Milliseconds; default 120,000. */
  readonly timeout?: number;
  readonly env?: Readonly<Record<string, string>>;
}

function environment(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    ...(kubeconfig === undefined ? {} : { KUBECONFIG: kubeconfig }),
    PATH: [TOOLS, process.env['PATH'] ?? ''].join(delimiter),
  };
}

/** The environment for a command that a test starts by itself, as one that goes on: the cluster's tools first in PATH. */
export async function kubeTools(): Promise<NodeJS.ProcessEnv> {
  await useCluster();
  return environment();
}

/** Runs a command with the cluster's tools first in PATH and returns its standard output. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const env = { ...environment(), ...options.env };
  return new Promise((done, fail) => {
    const child = execFile(
      command,
      args,
      { env, timeout: options.timeout ?? 120_000, maxBuffer: 64 << 20 },
      (error, stdout, stderr) => {
        if (error === null) done(stdout);
        else
          fail(
            new CommandError([command, ...args].join(' ').slice(0, 300), error.code ?? null, stdout, stderr),
          );
      },
    );
    child.stdin?.on('error', () => undefined); // a command that ends early need not read its input
    child.stdin?.end(options.input ?? '');
  });
}

/** Points every later command at the local cluster. */
export async function useCluster(): Promise<void> {
  kubeconfig ??= process.env['KUBECONFIG'] ?? (await run('e2e/cluster/kubeconfig.sh', [])).trim();
}

export async function kubectl(...args: string[]): Promise<string> {
  await useCluster();
  return run('kubectl', args);
}

/** Standard error of a kubectl call that must fail. */
export async function kubectlRefused(args: string[], input?: string): Promise<string> {
  await useCluster();
  try {
    await run('kubectl', args, input === undefined ? {} : { input });
  } catch (error) {
    if (error instanceof CommandError) return error.stderr;
    throw error;
  }
  throw new Error(`kubectl ${args.join(' ')} was expected to be refused, and was not`);
}

export async function apply(manifest: string | object | object[], ...args: string[]): Promise<string> {
  await useCluster();
  const input =
    typeof manifest === 'string'
      ? manifest
      : JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [manifest].flat() });
  return run('kubectl', ['apply', '-f', '-', ...args], { input });
}

/** The parsed JSON of `kubectl get ... -o json`; callers say what they expect in it. */
export async function get<T>(...args: string[]): Promise<T> {
  return JSON.parse(await kubectl('get', ...args, '-o', 'json')) as T;
}

/** Polls until `check` returns something other than undefined or false; says what it waited for when it gives up. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false>,
  seconds = 60,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  let last: unknown;
  while (Date.now() < end) {
    try {
      const value = await check();
      if (value !== undefined && value !== false) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    await sleep(200);
  }
  throw new Error(`waited ${seconds} s in vain for: ${what}; last: ${String(last)}`);
}
