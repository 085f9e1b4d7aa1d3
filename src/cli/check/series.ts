import { hasOurProxy } from '../../controller/index.js';
import { Resources, listObjects } from '../../kube/index.js';
import { plural } from '../page.js';
import { askPods, type Asked } from '../pod-counts.js';
import { ok, type CheckOptions, type Found } from './found.js';

const FAMILY = /^weft_/;
/** Proxies that are asked; what pods of one Deployment say is much the same. */
const MOST_PODS = 200;
/** Series of one proxy that a Prometheus takes without anybody thinking of it; docs/metrics-proxy.md says what bounds them. */
const BUDGET = 10_000;
/** What proxies call those that they do not tell apart any more. */
const REST = 'others';
const FOLDED: Readonly<Record<string, string>> = {
  weft_plain_connections_total: 'address',
  weft_egress_total: 'host',
};

/** How many series proxies hold, and whether one has reached a bound. */
export async function checkSeries({ client }: CheckOptions): Promise<readonly Found[]> {
  const pods = (await listObjects(client, Resources.pod)).filter(hasOurProxy);
  const held: { pod: string; series: number }[] = [];
  const folding = new Map<string, string[]>();
  const answers = await askPods(
    client,
    pods,
    { family: FAMILY, most: MOST_PODS },
    ({ metadata }, samples) => {
      const pod = `${metadata.namespace}/${metadata.name}`;
      held.push({ pod, series: samples.length });
      for (const { name, labels } of samples) {
        const label = FOLDED[name];
        if (label === undefined || labels[label] !== REST) continue;
        const known = folding.get(name) ?? [];
        if (!known.includes(pod)) folding.set(name, [...known, pod]);
      }
    },
  );
  held.sort((a, b) => b.series - a.series);
  const found = [...[...folding].map(([name, where]) => folded(name, where)), ...tooMany(held)];
  return found.length > 0 ? found : [ok(summary(held, answers))];
}

function summary(
  held: readonly { pod: string; series: number }[],
  { asked, silent, leftOut }: Asked,
): string {
  const [most] = held;
  if (most === undefined) return 'no proxy is ready yet';
  if (asked === 0) return 'no proxy told how many series it holds';
  const all = held.reduce((sum, { series }) => sum + series, 0);
  return [
    `${plural(asked, 'proxy holds', 'proxies hold')} ${all} series, ${most.pod} the most: ${most.series} of ${BUDGET}`,
    ...(silent.length === 0 ? [] : [`${silent.length} did not answer`]),
    ...(leftOut === 0 ? [] : [`${leftOut} were not asked`]),
  ].join('; ');
}

function tooMany(held: readonly { pod: string; series: number }[]): readonly Found[] {
  const beyond = held.filter(({ series }) => series > BUDGET);
  const [most] = beyond;
  if (most === undefined) return [];
  return [
    {
      kind: 'caution',
      code: 'WEFT916',
      detail: `${plural(beyond.length, 'proxy holds', 'proxies hold')} more than ${BUDGET} series, ${most.pod} the most: ${most.series}`,
      fix: 'see what it calls and who calls it; series of what nobody has to do with are dropped after an hour',
      commands: [`weft edges --namespace ${most.pod.split('/')[0]}`],
    },
  ];
}

function folded(name: string, where: readonly string[]): Found {
  const [first = ''] = where;
  const plain = name === 'weft_plain_connections_total';
  const namespace = first.split('/')[0];
  return {
    kind: 'caution',
    code: 'WEFT917',
    detail: `${plural(where.length, 'proxy', 'proxies')}, such as that of ${first}, no longer ${where.length === 1 ? 'tells' : 'tell'} ${plain ? 'callers in plain text' : 'hosts outside the mesh'} apart, because there are too many`,
    fix: plain
      ? 'those beyond 256 addresses are counted as others; give the callers proxies, or let the port bypass its own'
      : 'those beyond 64 hosts are counted as others; declare what is asked for as ExternalServices',
    commands: [plain ? `weft status --namespace ${namespace}` : `weft egress --namespace ${namespace}`],
  };
}
