import { Option, type Command } from 'commander';
import { names } from '../../base/index.js';
import type { KubeClient } from '../../kube/index.js';
import { answering, pageOf, revisionOption, withExitCodes } from '../answering.js';
import { diff } from './index.js';

interface Flags {
  readonly file: readonly string[];
  readonly namespace?: string;
  readonly delete?: true;
  readonly output: 'text' | 'json';
  readonly revision: string;
  readonly systemNamespace: string;
}

/** Adds `weft diff`; `connect` makes the client of the cluster that the global options name. */
export function addDiff(weft: Command, connect: () => KubeClient): void {
  // As kubectl diff does: a difference, 1, is told from trouble.
  withExitCodes(weft.command('diff'))
    .description('say what a change would do before it is applied: to routes, to pods, and to who is let in')
    .requiredOption('-f, --file <file...>', 'YAML or JSON files or folders of them, - for standard input')
    .option('-n, --namespace <name>', 'namespace of objects that name none')
    .option('--delete', 'say what deleting the objects would do')
    .addOption(new Option('-o, --output <form>', 'how to print').choices(['text', 'json']).default('text'))
    .addOption(revisionOption())
    .option('--system-namespace <name>', 'namespace of the control plane', names.SYSTEM_NAMESPACE)
    .addHelpText('after', HELP)
    .action(async ({ file, ...flags }: Flags) =>
      answering(connect, async (client) => {
        const { differs, text } = await diff({
          files: file,
          client: client(),
          page: pageOf(flags),
          ...flags,
        });
        return { text, exitCode: differs ? 1 : 0 };
      }),
    );
}

const HELP = `
It reads the cluster, lays the objects of the files over it, and compares what proxies are told before and after, compiled as the
control plane does it: the routes, backends and times of callers, and modes, limits, checks and access of the pods that are called. Who
is let in is judged for each account of the mesh, for an account that nobody names (any other account) and for callers without a
certificate (plain), by requests that rules are about. Of the last half hour it counts the requests that are concerned, as far as the
control plane remembers them. Nothing is written.

Exit codes: 0 no proxy would do anything differently, 1 some would, 2 it could not be said.

Examples:
  weft diff -f policy.yaml
  weft diff -f deploy/ -o json | jq '.access[] | select(.allowed | not)'
  kubectl get trafficpolicy reviews -n shop -o yaml | weft diff --delete -f -`;
