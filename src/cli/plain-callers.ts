import { Resources, listObjects, type KubeClient, type Pod } from '../kube/index.js';
import { plural, type Page } from './page.js';
import { askPods, silentText, type Asked } from './pod-counts.js';

const FAMILY = /^weft_plain_connections_total$/;
/** Proxies that are asked; what pods of one Deployment say is much the same. */
const MOST_PODS = 200;

/** Who calls without mutual TLS. */
export interface PlainCallers extends Pick<Asked, 'asked' | 'silent'> {
  readonly callers: readonly PlainCaller[];
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
  const owners = ownersOf(await everyPod(client, pods));
  const { asked, silent } = await askPods(client, pods, { family: FAMILY, most: MOST_PODS }, (_, samples) => {
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
  return { callers: [...callers.values()].sort(byCount), asked, silent };
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
export function ownersOf(pods: readonly Pod[]): ReadonlyMap<string, string> {
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
  return [
    page.strong('Callers in plain text'),
    callers.length === 0 ? none : page.table(head, rows),
    ...silentText(silent, page),
  ].join('\n');
}
