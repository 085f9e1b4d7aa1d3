import { Option, type Command } from 'commander';
import { MeshError } from '../base/index.js';
import type { KubeClient } from '../kube/index.js';
import { createPage, pageFor, printable, type Page } from './page.js';

/** What a command that answers a question says, and how it exits. */
export interface Answer {
  readonly text: string;
  readonly exitCode: number;
}

/**
 * Prints what is answered and exits as it says, or with 2 where nothing could be said. The client is made once it is asked for, and closed
 * whatever happens.
 */
export async function answering(
  connect: () => KubeClient,
  answer: (client: () => KubeClient) => Promise<Answer>,
): Promise<void> {
  let client: KubeClient | undefined;
  try {
    const { text, exitCode } = await answer(() => (client ??= connect()));
    process.stdout.write(`${printable(text)}\n`);
    process.exitCode = exitCode;
  } catch (thrown) {
    failed(thrown);
  } finally {
    client?.close();
  }
}

/** Nothing could be said, and why. */
export function failed(thrown: unknown): void {
  process.stderr.write(`weft: ${printable(MeshError.from(thrown).message)}\n`);
  process.exitCode = 2;
}

/** Prints what is asked of the cluster, with exit code 1 where something has to be done. */
export function print({ ok, text }: { readonly ok: boolean; readonly text: string }): void {
  process.stdout.write(`${printable(text)}\n`);
  if (!ok) process.exitCode = 1;
}

/** Scripts tell an answer, 1, from a question that was not understood, 2. */
export function withExitCodes(command: Command): Command {
  return command.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
}

export function revisionOption(): Option {
  return new Option('--revision <name>', 'revision of the control plane').default('default');
}

/** Of an option that may be given again. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

/** Colours are for people alone. */
export function pageOf({ output }: { readonly output: string }): Page {
  return output === 'text' ? pageFor(process.stdout) : createPage({ colours: false });
}
