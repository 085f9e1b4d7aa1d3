import { Option, type Command } from 'commander';
import { MeshError, names } from '../../base/index.js';
import type { KubeClient } from '../../kube/index.js';
import { pageFor, printable } from '../page.js';
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
  weft
    .command('diff')
    .description('say what a change would do before it is applied: to routes, to pods, and to who is let in')
    .requiredOption('-f, --file <file...>', 'YAML or JSON files or folders of them, - for standard input')
    .option('-n, --namespace <name>', 'namespace of objects that name none')
    .option('--delete', 'say what deleting the objects would do')
    .addOption(new Option('-o, --output <form>', 'how to print').choices(['text', 'json']).default('text'))
    .addOption(new Option('--revision <name>', 'revision of the control plane').default('default'))
    .option('--system-namespace <name>', 'namespace of the control plane', names.SYSTEM_NAMESPACE)
    .addHelpText('after', HELP)
    // As kubectl diff does: a difference, 1, is told from trouble.
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .action(async ({ file, ...flags }: Flags) => {
      try {
        const client = connect();
        const { differs, text } = await diff({
          files: file,
          client,
          page: pageFor(process.stdout),
          ...flags,
        });
        client.close();
        process.stdout.write(`${printable(text)}\n`);
        process.exitCode = differs ? 1 : 0;
      } catch (thrown) {
        process.stderr.write(`weft: ${MeshError.from(thrown).message}\n`);
        process.exitCode = 2;
      }
    });
}

const HELP = `
It reads the cluster, lays the objects of the files over it, and compares what proxies are told before and after, compiled as the
control plane does it: the routes, backends and times of callers, and modes, limits, checks and access of the pods that are called. Who
is let in is judged for each account of the mesh, for an account that nobody names (any other account) and for callers without a
certificate (plain), by requests that rules are about. Nothing is written.

Exit codes: 0 no proxy would do anything otherwise, 1 some would, 2 it could not be said.

Examples:
  weft diff -f policy.yaml
  weft diff -f deploy/ -o json | jq '.access[] | select(.allowed | not)'
  kubectl get trafficpolicy reviews -n shop -o yaml | weft diff --delete -f -`;
