import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
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
