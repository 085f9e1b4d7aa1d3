import { Option, type Command } from 'commander';
import { TAP_VERDICTS } from '../../dashboard/index.js';
import type { KubeClient } from '../../kube/index.js';
import { answering, collect, failed, pageOf, withExitCodes } from '../answering.js';
import { wholeNumber } from '../whole-number.js';
import { tap, type TapFlags } from './tap.js';
import { trace, type TraceFlags } from './trace.js';

const TAP = `
Each proxy reports a request when it has ended, of calls (->) and of what it received (<-), also of those that were refused,
cancelled or broken off. Bodies are never shown, and the values of headers that hold secrets only where --show-header names them.
It takes get and create on pods/exec in the namespace of the pods, and works while the control plane is away.

Exit codes: 0 watched, 2 could not watch.

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
    .addOption(
      new Option('--side <side>', 'only calls made, or only requests received').choices([
        'caller',
        'receiver',
      ]),
    )
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

const TRACE = `
It waits for the next real request that matches, and shows it as weft explain shows one that nobody has sent: each stage with its verdict
and the rule behind it, each attempt with endpoint, result and time. With --to, the pods of that Service are watched too, and their side is
shown where its application has said which one it is, by the header traceparent or x-request-id. Watching adds nothing to requests; where
the mesh traces, its proxies write traceparent, after what is shown of the caller, and it is the trace in it that both sides have.

Exit codes: 0 it is shown, 1 none came in time, 2 it could not be watched.

Examples:
  weft trace deploy/web -n shop
  weft trace deploy/web -n shop --to reviews --status 5xx --timeout 5m
  weft trace pod/web-7d4f -n shop --path /api -o json | jq .caller.attempts`;

/** Adds `weft trace`; `connect` makes the client of the cluster that the global options name. */
export function addTrace(weft: Command, connect: () => KubeClient): void {
  withFilters(withExitCodes(weft.command('trace')))
    .description('wait for the next request that matches, and show it stage by stage and attempt by attempt')
    .argument('<source>', 'who sends it: deploy/NAME and the like, pod/NAME, NAME or ns/NAME')
    .option('--timeout <duration>', 'how long to wait for it, 10m at most', '60s')
    .addOption(new Option('-o, --output <form>', 'how to print').choices(['text', 'json']).default('text'))
    .addHelpText('after', TRACE)
    .action(async (source: string, flags: TraceFlags) =>
      answering(connect, async (client) => {
        const text = await trace({ ...flags, client: client(), page: pageOf(flags), source, note });
        const none = `no request of ${source} matched within ${flags.timeout}`;
        return text === undefined ? { text: none, exitCode: 1 } : { text, exitCode: 0 };
      }),
    );
}

/** Which requests are meant. */
function withFilters(command: Command): Command {
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
    .addOption(new Option('--verdict <verdict>', 'requests that ended so').choices(TAP_VERDICTS))
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
