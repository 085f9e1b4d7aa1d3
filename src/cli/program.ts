import { Command, Option } from 'commander';
import { names } from '../base/index.js';
import { readConfig } from '../config.js';
import { connectKube } from '../kube/index.js';
import { runControlPlane } from '../main.js';
import { analyze } from './analyze.js';
import { check } from './check.js';
import { addDashboardCommand } from './dashboard.js';
import { createPage, type Page } from './page.js';
import { status } from './status.js';

interface GlobalOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
}

/** The command line: names, options and what `--help` teaches. What commands do is in a file for each. */
export function program(): Command {
  const weft = new Command('weft')
    .description('A service mesh for Kubernetes: light, fast and simple.')
    .option(
      '--kubeconfig <file>',
      'kubeconfig to use (default: $KUBECONFIG, ~/.kube/config, then the service account)',
    )
    .option('--context <name>', 'context of the kubeconfig to use')
    .showHelpAfterError('Run weft --help to see what there is.')
    .addHelpText('after', FIRST_STEPS);
  addController(weft);
  addCheck(weft);
  addStatus(weft);
  addAnalyze(weft);
  addDashboardCommand(weft);
  return weft;
}

const FIRST_STEPS = `
First steps:
  weft check                                                 is everything in order?
  kubectl label namespace shop ${names.Label.inject}=enabled     let a namespace join, then create its pods anew
  weft analyze -f policy.yaml                                is this policy what I mean?
  weft status                                                what do policies and proxies do?`;

function addController(weft: Command): void {
  weft
    .command('controller')
    .description(
      'run the control plane: operator, webhook, certificates and config (the chart starts it in a pod)',
    )
    .addHelpText(
      'after',
      '\nIt is set up by environment variables, WEFT_IMAGE and others, which the chart sets.',
    )
    .action(async () => {
      process.exitCode = await runControlPlane(readConfig(), weft.opts<GlobalOptions>());
      // Sockets of others may linger; everything of ours has ended or had its time.
      process.exit();
    });
}

function addCheck(weft: Command): void {
  weft
    .command('check')
    .description(
      'look at the cluster, the control plane, the webhook and the namespaces that joined, and say what is wrong',
    )
    .addOption(revisionOption())
    .option('--system-namespace <name>', 'namespace of the control plane', names.SYSTEM_NAMESPACE)
    .addHelpText('after', '\nIt only reads. It fails when something has to be done; each finding says what.')
    .action(async ({ revision, systemNamespace }: { revision: string; systemNamespace: string }) => {
      const client = connectKube(weft.opts<GlobalOptions>());
      print(await check({ client, page: pageOfTerminal(), revision, systemNamespace }));
      client.close();
    });
}

function addStatus(weft: Command): void {
  weft
    .command('status')
    .description('show policies with their conditions, and how many pods of each namespace are meshed')
    .option('-n, --namespace <name>', 'one namespace only')
    .addOption(new Option('-o, --output <form>', 'how to print').choices(['text', 'json']).default('text'))
    .addOption(revisionOption())
    .addHelpText('after', CONDITIONS)
    .action(async (options: { namespace?: string; output: 'text' | 'json'; revision: string }) => {
      const client = connectKube(weft.opts<GlobalOptions>());
      print({ ok: true, text: await status({ client, page: pageOfTerminal(), ...options }) });
      client.close();
    });
}

const CONDITIONS = `
What the columns say:
  ACCEPTED     the policy makes sense and no older one decides about its target
  RESOLVED     every Service and port it names exists
  PROGRAMMED   the proxies that use its target have taken it over; NoSubscribers: none uses it yet

Examples:
  weft status -n shop
  weft status -o json | jq '.policies[] | select(.conditions[].status != "True")'`;

function addAnalyze(weft: Command): void {
  weft
    .command('analyze')
    .description('say what is wrong with policies, in files or in the cluster')
    .option(
      '-f, --file <file...>',
      'files of YAML or JSON, - for standard input; without it: what is in the cluster',
    )
    .option('-n, --namespace <name>', 'one namespace of the cluster only')
    .addHelpText('after', ANALYZE)
    .action(async ({ file, namespace }: { file?: string[]; namespace?: string }) => {
      const client = (): ReturnType<typeof connectKube> => connectKube(weft.opts<GlobalOptions>());
      print(await analyze({ files: file ?? [], client, page: pageOfTerminal(), namespace }));
    });
}

const ANALYZE = `
It finds unknown fields (also those that the API server dropped without a word, where kubectl apply has left its
annotation), values that are refused, and fields that are not supported yet. It fails when it finds something.

Examples:
  weft analyze -f policy.yaml
  helm template my-chart | weft analyze -f -
  weft analyze -n shop`;

function revisionOption(): Option {
  return new Option('--revision <name>', 'revision of the control plane').default('default');
}

function pageOfTerminal(): Page {
  return createPage({ colours: process.stdout.isTTY && process.stdout.hasColors() });
}

function print({ ok, text }: { readonly ok: boolean; readonly text: string }): void {
  process.stdout.write(`${text}\n`);
  if (!ok) process.exitCode = 1;
}
