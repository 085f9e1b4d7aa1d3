import { Option, type Command } from 'commander';
import type { KubeClient } from '../../kube/index.js';
import { collect, failed, pageOf, withExitCodes } from '../answering.js';
import { wholeNumber } from '../whole-number.js';
import { VERDICTS, type Filters } from './question.js';
import { tap } from './tap.js';

interface TapFlags extends Filters {
  readonly namespace: string;
  readonly max: number;
  readonly rate: number;
  readonly for: string;
  readonly headers: boolean;
  readonly output: 'text' | 'json';
}

const TAP = `
Each proxy tells of its requests when they have ended, of calls (->) and of what it received (<-), also of those that were refused,
cancelled or broken off. Bodies are never shown, and the values of headers that hold secrets only where --show-header names them.
It takes get and create on pods/exec in the namespace of the pods, and works while the control plane is away.

Exit codes: 0 it was watched, 2 it could not be.

Examples:
  weft tap deploy/web -n shop
  weft tap ns/shop --verdict denied
  weft tap deploy/web -n shop --to reviews --status 5xx --side caller
  weft tap deploy/web -n shop --min-latency 100ms -o json | jq -r '[.path, .durationMs] | @tsv'`;

/** Adds `weft tap`; `connect` makes the client of the cluster that the global options name. */
export function addTap(weft: Command, connect: () => KubeClient): void {
  withFilters(withExitCodes(weft.command('tap')))
    .description('show requests as they pass: who calls what, how it ended, and by whose word it was refused')
    .argument('<pods>', 'whose: deploy/NAME and the like, pod/NAME, NAME or ns/NAME')
    .addOption(new Option('--side <side>', 'calls or what was received only').choices(['caller', 'receiver']))
    .option('--headers', 'show headers', false)
    .option('--max <number>', 'requests to show at most', wholeNumber, 100)
    .option('--rate <number>', 'requests a second that each proxy tells of at most', wholeNumber, 20)
    .option('--for <duration>', 'end after this time, 10m at most', '10m')
    .addOption(new Option('-o, --output <form>', 'how to print').choices(['text', 'json']).default('text'))
    .addHelpText('after', TAP)
    .action(async (target: string, flags: TapFlags) => {
      await untilTold(connect, async (client, signal) => {
        const write = (text: string): void => void process.stdout.write(text);
        await tap({ ...flags, client, page: pageOf(flags), target, write, note, signal });
      });
    });
}

/** Which requests are meant. */
export function withFilters(command: Command): Command {
  return command
    .option('-n, --namespace <name>', 'their namespace', 'default')
    .option(
      '--to <service>',
      'requests to this Service: NAME or NAMESPACE/NAME, with :PORT where one is meant',
    )
    .option(
      '--from <identity>',
      'requests of this caller: service account, NAMESPACE/ACCOUNT or SPIFFE identity',
    )
    .option('--path <prefix>', 'requests whose path begins so')
    .option('--method <method>', 'requests of this method')
    .option('--status <status>', 'requests answered so: 404, or 5xx')
    .option('--min-latency <duration>', 'requests that took this long at least')
    .option('--header <name=value>', 'requests with this header; may be given again', collect, [])
    .addOption(new Option('--verdict <verdict>', 'requests that ended so').choices(VERDICTS))
    .option(
      '--show-header <name>',
      'show this header, though it may be secret; may be given again',
      collect,
      [],
    );
}

/** Runs what goes on until it is told to stop, by Ctrl-C or by the end of who reads it. */
async function untilTold(
  connect: () => KubeClient,
  run: (client: KubeClient, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const told = (): void => stop.abort();
  process.once('SIGINT', told);
  process.once('SIGTERM', told);
  process.stdout.on('error', told);
  let client: KubeClient | undefined;
  try {
    client = connect();
    await run(client, stop.signal);
  } catch (thrown) {
    failed(thrown);
  } finally {
    process.removeListener('SIGINT', told);
    process.removeListener('SIGTERM', told);
    client?.close();
  }
}

function note(text: string): void {
  process.stderr.write(`weft: ${text}\n`);
}
