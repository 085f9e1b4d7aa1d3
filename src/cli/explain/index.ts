import { readFile } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import type { KubeClient } from '../../kube/index.js';
import { answering, collect, pageOf, withExitCodes } from '../answering.js';
import { explain } from './explain.js';

interface Flags {
  readonly namespace: string;
  readonly header: readonly string[];
  readonly jwt?: string;
  readonly receiver: boolean;
  readonly output: 'text' | 'json';
}

const EXPLAIN = `
The proxies answer, by the code that judges real requests; nothing is sent, counted or opened for it. FROM is pod/NAME, NAME, or
deploy/NAME and the like, of which one pod with a proxy is asked. It takes get and create on pods/exec in the pod's namespace, and
works while the control plane is away.

Exit codes: 0 it would be sent or answered, 1 it would be refused, 2 it could not be said.

Examples:
  weft explain deploy/web -n shop http://reviews:9080/api/v1?x=1
  weft explain deploy/web -n shop POST http://reviews:9080/ -H 'x-group: beta' --receiver
  weft explain web-7d4f -n shop http://reviews:9080/ --jwt @token.txt --receiver -o json | jq .receiver.answer.stages`;

/** Adds `weft explain`; `connect` makes the client of the cluster that the global options name. */
export function addExplain(weft: Command, connect: () => KubeClient): void {
  withExitCodes(weft.command('explain'))
    .description('say what the mesh would do with a request, stage by stage, and by whose word')
    .argument('<from>', 'who would send it: pod/NAME, NAME or deploy/NAME')
    .argument('<request...>', 'method and URL, such as GET http://reviews:9080/api')
    .option('-n, --namespace <name>', 'namespace of who would send it', 'default')
    .option('-H, --header <line>', "a header, as in 'x-group: beta'; may be given again", collect, [])
    .option('--jwt <token>', 'a bearer token; @FILE reads it from a file')
    .option('--receiver', 'ask a pod that would receive it, too', false)
    .addOption(new Option('-o, --output <form>', 'how to print').choices(['text', 'json']).default('text'))
    .addHelpText('after', EXPLAIN)
    .action(async (from: string, words: string[], flags: Flags) =>
      answering(connect, async (client) => {
        const jwt = await readToken(flags.jwt);
        const asked = { page: pageOf(flags), from, words, ...flags, jwt };
        const { ok, text } = await explain({ client: client(), ...asked });
        return { text, exitCode: ok ? 0 : 1 };
      }),
    );
}

/** A token on the command line is in the history of the shell; one in a file need not be. */
async function readToken(given: string | undefined): Promise<string | undefined> {
  return given?.startsWith('@') === true ? (await readFile(given.slice(1), 'utf8')).trim() : given;
}
