import { Argument, Command, Option } from 'commander';
import { names } from '../base/index.js';
import { readConfig } from '../config.js';
import { connectKube, type KubeClient } from '../kube/index.js';
import { runControlPlane } from '../main.js';
import { addAnalyze } from './analyze/command.js';
import { print, revisionOption } from './answering.js';
import { addAuthz } from './authz/index.js';
import { addBugReport } from './bug-report/command.js';
import { check } from './check/index.js';
import { demandNamespace, demandRevision } from './control-planes.js';
import { SHELLS, completion } from './completion.js';
import { addDashboardCommand } from './dashboard.js';
import { addDiff } from './diff/command.js';
import { addEgress } from './egress/index.js';
import { addExplain } from './explain/index.js';
import { addIdentity } from './identity-command.js';
import { CHART_DEFAULTS, inject } from './inject.js';
import type { CaptureMode } from '../admission/index.js';
import { addInstallation } from './install/index.js';
import { addMcp } from './mcp/command.js';
import { pageFor } from './page.js';
import { addProxy } from './proxy/index.js';
import { status } from './status.js';
import { addTap, addTrace } from './tap/index.js';
import { addTrafficCommands } from './traffic/index.js';
import { weftVersion } from './version.js';
import { readVersions, versionsText } from './versions.js';

interface GlobalOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
}

/** The command line: names, options and what `--help` teaches. What commands do is in a file for each. */
export function program(name = 'weft'): Command {
  const weft = new Command(name)
    .description('A service mesh for Kubernetes: light, fast and simple.')
    .version(weftVersion(), '-V, --version', 'print the version of weft')
    .option(
      '--kubeconfig <file>',
      'kubeconfig to use (default: $KUBECONFIG, ~/.kube/config, then the service account)',
    )
    .option('--context <name>', 'context of the kubeconfig to use')
    .showHelpAfterError('Run weft --help for usage.')
    .addHelpText('after', FIRST_STEPS);
  addController(weft);
  addInstallation(weft, () => connect(weft));
  addCheck(weft);
  addStatus(weft);
  addAnalyze(weft, () => connect(weft));
  addDiff(weft, () => connect(weft));
  addAuthz(weft, () => connect(weft));
  addExplain(weft, () => connect(weft));
  addTap(weft, () => connect(weft));
  addTrace(weft, () => connect(weft));
  addInject(weft);
  addProxy(weft, () => connect(weft));
  addEgress(weft, () => connect(weft));
  addIdentity(weft, () => connect(weft));
  addTrafficCommands(weft, () => connect(weft));
  addDashboardCommand(weft);
  addVersion(weft);
  addMcp(weft, () => connect(weft));
  addBugReport(weft, () => connect(weft));
  addCompletion(weft);
  return weft;
}

const FIRST_STEPS = `
First steps:
  weft check                                                 is everything in order?
  kubectl label namespace shop ${names.Label.inject}=enabled     let a namespace join, then recreate its pods
  weft analyze -f policy.yaml                                is this policy what I mean?
  weft diff -f policy.yaml                                   what would it change?
  weft status                                                what do policies and proxies do?
  weft explain deploy/web -n shop http://reviews:9080/       what would become of this request, and why?
  weft stat -n shop                                          how is traffic doing?
  weft tap deploy/web -n shop                                which requests pass right now?`;

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
    .addOption(new Option('-o, --output <form>', 'how to print').choices(['text', 'json']).default('text'))
    .addHelpText('after', CHECK)
    .action(async ({ output, ...at }: CheckFlags) => {
      const client = connect(weft);
      const { ok, found, text } = await check({ client, page: pageFor(process.stdout), ...at });
      print({ ok, text: output === 'json' ? JSON.stringify({ ok, found }, null, 2) : text });
      client.close();
    });
}

interface CheckFlags {
  readonly revision: string;
  readonly systemNamespace: string;
  readonly output: 'text' | 'json';
}

const CHECK = `
It only reads. It fails when something has to be done; each finding says what.

Examples:
  weft check
  weft check -o json | jq '.found[] | select(.kind == "failed") | {code, detail, fix}'`;

interface StatusFlags {
  readonly namespace?: string;
  readonly output: 'text' | 'json';
  readonly revision: string;
}

function addStatus(weft: Command): void {
  weft
    .command('status')
    .description('show policies with their conditions, and how many pods of each namespace are meshed')
    .usage('[options]')
    .argument('[namespace]')
    .option('-n, --namespace <name>', 'one namespace only')
    .addOption(new Option('-o, --output <form>', 'how to print').choices(['text', 'json']).default('text'))
    .addOption(revisionOption())
    .addHelpText('after', CONDITIONS)
    .action(async (stray: string | undefined, options: StatusFlags) => {
      if (stray !== undefined) weft.error(`error: the namespace is an option: weft status -n ${stray}`);
      const client = connect(weft);
      await demandRevision(client, options.revision, 'weft status');
      if (options.namespace !== undefined) await demandNamespace(client, options.namespace, 'weft status');
      print({ ok: true, text: await status({ client, page: pageFor(process.stdout), ...options }) });
      client.close();
    });
}

const CONDITIONS = `
What the columns say:
  ACCEPTED     the policy makes sense and no older one applies to its target
  RESOLVED     every Service and port it names exists
  PROGRAMMED   the proxies that use its target have taken it over; NoSubscribers: none uses it yet

Of one namespace, it also asks each proxy who calls in plain text: whom mode Strict refuses, or would.

Examples:
  weft status -n shop
  weft status -o json | jq '.policies[] | select(.conditions[].status != "True")'`;

function addVersion(weft: Command): void {
  weft
    .command('version')
    .description(
      'show the versions of this program, the control planes and the proxies, and what does not go together',
    )
    .addOption(new Option('-o, --output <form>', 'how to print').choices(['text', 'json']).default('text'))
    .addHelpText('after', VERSION)
    .action(async ({ output }: { readonly output: 'text' | 'json' }) => {
      const client = connect(weft);
      const versions = await readVersions(client);
      const text =
        output === 'json'
          ? JSON.stringify(versions, null, 2)
          : versionsText(versions, pageFor(process.stdout));
      print({ ok: true, text });
      client.close();
    });
}

const VERSION = `
A proxy keeps the version that its pod was created with. weft -V prints that of this program alone and asks no cluster.

Examples:
  weft version
  weft version -o json | jq -e '.skew == []'`;

function addCompletion(weft: Command): void {
  weft
    .command('completion')
    .description('print a script that teaches a shell to complete commands, options and their values')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText('after', COMPLETION)
    .action((shell: string) => void process.stdout.write(completion(weft, shell)));
}

const COMPLETION = `
Examples:
  source <(weft completion bash)
  weft completion zsh > "\${fpath[1]}/_weft"
  weft completion fish > ~/.config/fish/completions/weft.fish`;

function addInject(weft: Command): void {
  weft
    .command('inject')
    .description(
      'print manifests with the proxy in their pods, as the webhook adds it, without asking a cluster',
    )
    .requiredOption('-f, --file <file...>', 'files of YAML or JSON, - for standard input')
    .option('--image <name>', 'image with weft-proxy in it', `docker.io/weft/weft:${weftVersion()}`)
    .option('--trust-domain <domain>', "the chart's value trustDomain", 'cluster.local')
    .option('--cluster-domain <domain>', "the chart's value clusterDomain", 'cluster.local')
    .option('--system-namespace <name>', 'namespace of the control plane', names.SYSTEM_NAMESPACE)
    .addOption(
      new Option('--capture <by>', 'who programs the rules, as the chart has it by cni.enabled')
        .choices(['InitContainer', 'CNI'])
        .default('InitContainer'),
    )
    .addOption(revisionOption())
    .addHelpText('after', INJECT)
    .action(async ({ file, ...flags }: InjectFlags) => {
      const { manifests, notes } = await inject({ files: file, settings: { ...CHART_DEFAULTS, ...flags } });
      process.stdout.write(manifests);
      for (const note of notes) process.stderr.write(`weft: ${note}\n`);
    });
}

interface InjectFlags {
  readonly file: readonly string[];
  readonly image: string;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly systemNamespace: string;
  readonly capture: CaptureMode;
  readonly revision: string;
}

const INJECT = `
Pods of a namespace with the label ${names.Label.inject}=enabled get their proxy by themselves; this shows what they get. The
webhook leaves pods alone that have their proxy already. What is not a pod, and describes none, is printed as it is.

Examples:
  weft inject -f deployment.yaml | diff deployment.yaml -
  helm template my-chart | weft inject -f - --image registry.example/weft:1.0`;

function connect(weft: Command): KubeClient {
  const client = connectKube(weft.opts<GlobalOptions>());
  if (client.exposure !== undefined) process.stderr.write(`weft: warning: ${client.exposure}\n`);
  return client;
}
