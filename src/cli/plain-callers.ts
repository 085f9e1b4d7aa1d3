import { eachPod, readPodMetrics, reasonOf } from '../dashboard/index.js';
import { Resources, listObjects, type KubeClient, type Pod } from '../kube/index.js';
import { plural, type Page } from './page.js';

const FAMILY = /^weft_plain_connections_total$/;
/** Proxies that are asked; what pods of one Deployment say is much the same. */
const MOST_PODS = 200;

/** Who calls without mutual TLS. */
export interface PlainCallers {
  readonly callers: readonly PlainCaller[];
  /** Proxies that have answered. */
  readonly asked: number;
  /** Why others have not, by pod. */
  readonly silent: readonly { readonly pod: string; readonly reason: string }[];
}

interface PlainCaller {
  /** `<namespace>/<pod>`, where the address is a pod's. */
  readonly pod?: string;
  readonly address: string;
  /** What it calls: `<namespace>/<service>:<port>`. */
  readonly destination: string;
  /** Connections that mode Strict would have refused. */
  readonly wouldRefuse: number;
  readonly refused: number;
}

/** Asks the proxies of these pods. */
export async function plainCallers(client: KubeClient, pods: readonly Pod[]): Promise<PlainCallers> {
  const callers = new Map<string, PlainCaller>();
  const silent: { pod: string; reason: string }[] = [];
  const asked = pods.filter(({ ready }) => ready).slice(0, MOST_PODS);
  const owners = ownersOf(await everyPod(client, pods));
  await eachPod(asked, async ({ metadata }) => {
    const read = readPodMetrics(client, metadata, { family: FAMILY });
    const samples = await read.catch((thrown: unknown) => {
      silent.push({ pod: `${metadata.namespace}/${metadata.name}`, reason: reasonOf(thrown) });
      return [];
    });
    for (const { labels, value } of samples) {
      const { destination = '', address = '', verdict } = labels;
      const key = `${address} ${destination}`;
      const known = callers.get(key) ?? newCaller(address, destination, owners);
      const counted =
        verdict === 'refused'
          ? { refused: known.refused + value }
          : { wouldRefuse: known.wouldRefuse + value };
      callers.set(key, { ...known, ...counted });
    }
  });
  return { callers: [...callers.values()].sort(byCount), asked: asked.length - silent.length, silent };
}

function newCaller(address: string, destination: string, owners: ReadonlyMap<string, string>): PlainCaller {
  const pod = owners.get(address);
  return { ...(pod === undefined ? {} : { pod }), address, destination, wouldRefuse: 0, refused: 0 };
}

/** Callers may be in any namespace. Who may not see those sees the pods of this one. */
async function everyPod(client: KubeClient, own: readonly Pod[]): Promise<readonly Pod[]> {
  return listObjects(client, Resources.pod).catch(() => own);
}

/** Pods by address; one on its node's network shares it with others. */
function ownersOf(pods: readonly Pod[]): ReadonlyMap<string, string> {
  const owning = pods.filter(({ hostNetwork, phase }) => !hostNetwork && phase === 'Running');
  return new Map(
    owning.flatMap(({ ips, metadata }) => ips.map((ip) => [ip, `${metadata.namespace}/${metadata.name}`])),
  );
}

function byCount(a: PlainCaller, b: PlainCaller): number {
  const rank = ({ refused, wouldRefuse }: PlainCaller): number => refused + wouldRefuse;
  return rank(b) - rank(a) || (a.address < b.address ? -1 : 1);
}

/** As text for people. */
export function renderPlainCallers({ callers, asked, silent }: PlainCallers, page: Page): string {
  const rows = callers.map(({ pod, address, destination, wouldRefuse, refused }) => [
    pod ?? '-',
    address,
    destination,
    String(wouldRefuse),
    refused === 0 ? '0' : page.bad(String(refused)),
  ]);
  const head = ['CALLER', 'ADDRESS', 'CALLS', 'STRICT WOULD REFUSE', 'REFUSED'];
  const none = `none that ${plural(asked, 'proxy', 'proxies')} had a connection of in the last hour`;
  const [first] = silent;
  return [
    page.strong('Callers in plain text'),
    callers.length === 0 ? none : page.table(head, rows),
    ...(first === undefined
      ? []
      : [
          page.caution(
            `${plural(silent.length, 'proxy', 'proxies')} did not answer, such as that of ${first.pod}: ${first.reason}`,
          ),
        ]),
  ].join('\n');
}
