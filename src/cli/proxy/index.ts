import { Option, type Command } from 'commander';
import { MeshError } from '../../base/index.js';
import { parsePrometheus, podMetricsText } from '../../dashboard/index.js';
import type { KubeClient, Pod } from '../../kube/index.js';
import { answering, pageOf, withExitCodes, type Answer } from '../answering.js';
import { commandProxy, demandInspection, jsonOf, type PodName } from '../inspect/ask.js';
import { demandProxies, findPods } from '../inspect/pods.js';
import type { Page } from '../page.js';
import { certificatesOf, certificatesText } from './certs.js';
import { configText } from './config.js';

interface Flags {
  readonly namespace: string;
  readonly output: 'text' | 'json';
}

type Connect = () => KubeClient;

/** One pod is worth waiting for, unlike each of many. */
const METRICS_MS = 10_000;

const PROXY = `
POD is pod/NAME, NAME, or deploy/NAME and the like, of which one pod with a proxy is asked; the proxy answers for itself, also while the
control plane is away. It takes get and create on pods/exec in the pod's namespace, and metrics get on pods/proxy.

Exit codes: 0 it has answered, 2 it has not.

Examples:
  weft proxy config deploy/web -n shop
  weft proxy config web-7d4f -n shop -o json | jq '.destinations | keys'
  weft proxy metrics web-7d4f -n shop | grep weft_requests_total
  weft proxy certs deploy/web -n shop
  weft proxy log deploy/web -n shop info,weft_proxy::outbound=debug`;

const LOG = `
Without a filter it prints the one in force. A filter is a level (error, warn, info, debug, trace), or levels of modules after commas. It
holds until the proxy ends; one that starts again logs as before.

Examples:
  weft proxy log deploy/web -n shop
  weft proxy log web-7d4f -n shop info,weft_proxy::outbound=debug`;

/** Adds `weft proxy`; `connect` makes the client of the cluster that the global options name. */
export function addProxy(weft: Command, connect: Connect): void {
  const proxy = weft
    .command('proxy')
    .description('look into the proxy of a pod: its configuration, metrics, log level and certificates')
    .addHelpText('after', PROXY);
  shared(proxy.command('config'))
    .description('print the routes, destinations and rules that the proxy has')
    .action(async (of: string, flags: Flags) => inside(connect, of, flags, config));
  shared(proxy.command('certs'))
    .description('print the certificate that the proxy uses and the roots that it believes')
    .action(async (of: string, flags: Flags) => inside(connect, of, flags, certs));
  shared(proxy.command('metrics'))
    .description('print what the proxy counts, as Prometheus reads it')
    .action(async (of: string, flags: Flags) =>
      answering(connect, async (client) => {
        const { metadata } = await onePod(client(), of, flags);
        return { text: await metrics(client(), metadata, flags), exitCode: 0 };
      }),
    );
  shared(proxy.command('log'))
    .description('print or set what the proxy logs')
    .argument('[filter]', 'what it is to log from now on')
    .addHelpText('after', LOG)
    .action(async (of: string, filter: string | undefined, flags: Flags) =>
      inside(connect, of, flags, (client, pod, asked) => log(client, pod, { ...asked, filter })),
    );
}

function shared(command: Command): Command {
  return withExitCodes(command)
    .argument('<pod>', 'whose proxy: pod/NAME, NAME or deploy/NAME')
    .option('-n, --namespace <name>', 'namespace of the pod', 'default')
    .addOption(new Option('-o, --output <form>', 'how to print').choices(['text', 'json']).default('text'));
}

interface Asked {
  readonly json: boolean;
  readonly page: Page;
}

/** Asks the proxy in its container, which takes a right of its own. */
async function inside(
  connect: Connect,
  of: string,
  flags: Flags,
  ask: (client: KubeClient, pod: Pod, asked: Asked) => Promise<string>,
): Promise<void> {
  await answering(connect, async (client): Promise<Answer> => {
    const pod = await onePod(client(), of, flags);
    await demandInspection(client(), pod.metadata.namespace);
    const asked = { json: flags.output === 'json', page: pageOf(flags) };
    return { text: await ask(client(), pod, asked), exitCode: 0 };
  });
}

async function onePod(client: KubeClient, of: string, { namespace }: Flags): Promise<Pod> {
  const [pod] = demandProxies(await findPods(client, of, namespace));
  if (pod === undefined) throw new MeshError('not-found', `${of} has no pods`);
  return pod;
}

async function config(client: KubeClient, { metadata: pod }: Pod, { json, page }: Asked): Promise<string> {
  const told = jsonOf(pod, await commandProxy(client, pod, ['show', 'config']));
  return json ? JSON.stringify(told, null, 2) : configText(pod, told, page);
}

async function certs(client: KubeClient, pod: Pod, { json, page }: Asked): Promise<string> {
  const told = jsonOf(pod.metadata, await commandProxy(client, pod.metadata, ['show', 'config']));
  const found = await certificatesOf(client, pod, { told, now: new Date() });
  return json ? JSON.stringify(found, null, 2) : certificatesText(found, page);
}

async function log(
  client: KubeClient,
  { metadata: pod }: Pod,
  { json, filter }: Asked & { readonly filter: string | undefined },
): Promise<string> {
  if (filter?.startsWith('-') === true) throw new MeshError('invalid', `${filter} is not a filter of a log`);
  if (filter !== undefined) await commandProxy(client, pod, ['loglevel', filter]);
  const inForce = (await commandProxy(client, pod, ['show', 'loglevel'])).trim();
  if (json) return JSON.stringify({ pod: `${pod.namespace}/${pod.name}`, filter: inForce });
  return filter === undefined ? inForce : `the proxy of ${pod.namespace}/${pod.name} logs ${inForce} from now on`;
}

async function metrics(client: KubeClient, pod: PodName, { output }: Flags): Promise<string> {
  const text = await podMetricsText(client, pod, { timeoutMs: METRICS_MS });
  return output === 'json' ? JSON.stringify(parsePrometheus(text), null, 2) : text.trimEnd();
}
