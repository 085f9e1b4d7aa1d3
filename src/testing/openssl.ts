import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs openssl, an independent judge of certificates, with these files beside it. Returns what it printed. */
export async function openssl(
  args: readonly string[],
  files: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<{ readonly code: number; readonly output: string }> {
  const cwd = await mkdtemp(join(tmpdir(), 'weft-openssl-'));
  try {
    for (const [name, content] of Object.entries(files)) await writeFile(join(cwd, name), content);
    return await new Promise((resolve) => {
      const child = execFile('openssl', [...args], { cwd, timeout: 10_000 }, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
        resolve({ code, output: stdout + stderr });
      });
      child.stdin?.end();
    });
  } finally {
    await rm(cwd, { recursive: true });
  }
}

/** Runs a shell script, which calls openssl, in a folder of its own, and returns the files that it made. It must succeed. */
export async function shell(script: string, made: readonly string[]): Promise<Record<string, string>> {
  const files = await shellBytes(script, made);
  return Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, bytes.toString()]));
}

/** The same for files that are no text. */
export async function shellBytes(script: string, made: readonly string[]): Promise<Record<string, Buffer>> {
  const cwd = await mkdtemp(join(tmpdir(), 'weft-openssl-'));
  try {
    await new Promise<void>((done, fail) => {
      execFile('bash', ['-euc', script], { cwd, timeout: 60_000 }, (error, _stdout, stderr) => {
        if (error === null) done();
        else fail(new Error(`${script}\n${stderr}`, { cause: error }));
      });
    });
    const read = async (name: string): Promise<[string, Buffer]> => [name, await readFile(join(cwd, name))];
    return Object.fromEntries(await Promise.all(made.map(read)));
  } finally {
    await rm(cwd, { recursive: true });
  }
}
