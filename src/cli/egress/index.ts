import { Option, type Command } from 'commander';
import { stringify } from 'yaml';
import { externalService } from '../../api/index.js';
import { hasOurProxy, readExternalService } from '../../controller/index.js';
import { listObjects, ownResource, Resources, type KubeClient } from '../../kube/index.js';
import { print } from '../answering.js';
import { demandNamespace } from '../control-planes.js';
import { pageFor, type Page } from '../page.js';
import { egressNetworkPolicy, type ApiServerAddress } from './network-policy.js';
import { egressReport, renderEgress } from './report.js';

interface ReportFlags {
  readonly namespace?: string;
  readonly output: 'text' | 'json';
}

/** `weft egress`: what goes outside the mesh. */
export function addEgress(weft: Command, connect: () => KubeClient): void {
  const egress = weft
    .command('egress')
    .description('show who calls what outside the mesh, and what was refused')
    .option('-n, --namespace <name>', 'callers of one namespace only')
    .addOption(new Option('-o, --output <form>', 'how to print').choices(['text', 'json']).default('text'))
    .addHelpText('after', REPORT)
    .action(async ({ namespace, output }: ReportFlags) => {
      const client = connect();
      const text = await egressText({ client, namespace, output, page: pageFor(process.stdout) });
      print({ ok: true, text });
      client.close();
    });
  egress
    .command('networkpolicy')
    .usage('-n NAMESPACE')
    .description('print a NetworkPolicy that closes the ways past the proxies of a namespace')
    .addHelpText('after', NETWORK_POLICY)
    .action(async (_own: object, command: Command) => {
      const { namespace } = command.optsWithGlobals<ReportFlags>();
      if (namespace === undefined)
        command.error('error: name the namespace: weft egress networkpolicy -n shop');
      const client = connect();
      print({ ok: true, text: await networkPolicyText(client, namespace) });
      client.close();
    });
}

const REPORT = `
The numbers are what the proxies have counted since they started, where the outbound policy is RegistryOnly or DryRunRegistryOnly:
connections, and of HTTP the hosts of each. A host that an ExternalService lets out is shown as it is declared.

Examples:
  weft egress -n shop
  weft egress -o json | jq '.calls[] | select(.wouldRefuse > 0) | .host'`;

const NETWORK_POLICY = `
It is for every pod of the namespace. Allowed are DNS of kube-system, TCP to pods of the cluster, the API server, and outside the cluster
the ports and addresses of the namespace's ExternalServices. Everything else is closed: UDP, and so QUIC and other DNS servers, and
ports that nothing declares. Names are judged by the proxies only. Print it again when ExternalServices change.

Example:
  weft egress networkpolicy -n shop | kubectl apply -f -`;

interface ReportOptions {
  readonly client: KubeClient;
  readonly page: Page;
  readonly namespace?: string | undefined;
  readonly output: 'text' | 'json';
}

/** What the proxies have counted. */
export async function egressText({ client, page, namespace, output }: ReportOptions): Promise<string> {
  if (namespace !== undefined) await demandNamespace(client, namespace, 'weft egress');
  const pods = await listObjects(client, Resources.pod, namespace === undefined ? {} : { namespace });
  const report = await egressReport(client, pods.filter(hasOurProxy));
  return output === 'json' ? JSON.stringify(report, null, 2) : renderEgress(report, page);
}

/** The NetworkPolicy of a namespace, as YAML. */
export async function networkPolicyText(client: KubeClient, namespace: string): Promise<string> {
  await demandNamespace(client, namespace, 'weft egress networkpolicy');
  const objects = await listObjects(client, ownResource(externalService), { namespace });
  const services = objects.flatMap((object) => readExternalService(object).value ?? []);
  const slices = await listObjects(client, Resources.endpointSlice, { namespace: 'default' });
  const apiServer = slices
    .filter(({ service }) => service === 'kubernetes')
    .flatMap(({ endpoints, ports }) =>
      ports.flatMap(({ port }) =>
        endpoints.flatMap(({ addresses }): ApiServerAddress[] =>
          addresses.map((address) => ({ address, port })),
        ),
      ),
    );
  return stringify(egressNetworkPolicy(namespace, services, apiServer)).trimEnd();
}
