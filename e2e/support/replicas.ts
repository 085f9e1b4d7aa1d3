import { readFile, readdir } from 'node:fs/promises';
import { eventually, get, kubectl } from './run.js';
import { REPLICAS } from './weft.js';

const NAMESPACE = 'weft-system';

/** A replica of the control plane, as its process on the node. */
export interface Replica {
  readonly name: string;
  readonly pid: number;
}

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
    readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
  }[];
}

/** The replicas that run, the leader first; waits until as many are ready as the chart has, and one of them leads. */
export async function replicas(): Promise<readonly [Replica, Replica]> {
  return eventually('two replicas are ready, and one of them leads', async () => {
    const { items } = await get<PodList>('pods', '-n', NAMESPACE, '-l', 'app.kubernetes.io/name=weft');
    const there = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    const ready = there.filter(({ status }) =>
      status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
    );
    if (ready.length !== REPLICAS || there.length !== REPLICAS) return undefined;
    const found = await Promise.all(
      ready.map(async ({ metadata: { name, uid } }) => ({ name, pid: await pidOf(uid) })),
    );
    const leads = await holder();
    const [leader, other] = [
      found.find(({ name }) => name === leads),
      found.find(({ name }) => name !== leads),
    ];
    return leader === undefined || other === undefined ? undefined : ([leader, other] as const);
  });
}

async function holder(): Promise<string> {
  const lease = await get<{ spec: { holderIdentity?: string } }>('lease', 'weft-default', '-n', NAMESPACE);
  return lease.spec.holderIdentity ?? '';
}

/** Proxies connected to a replica. */
export async function streamsOf({ name }: Replica): Promise<number> {
  const text = await kubectl(
    'get',
    '--raw',
    `/api/v1/namespaces/${NAMESPACE}/pods/${name}:9090/proxy/metrics`,
  );
  return Number(/^weft_xds_streams (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** The control plane's process in a pod, by the cgroup that names the pod; nodes are processes of this machine. */
async function pidOf(uid: string): Promise<number> {
  const marks = [uid, uid.replaceAll('-', '_')];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const read = (file: string): Promise<string> =>
      readFile(`/proc/${entry}/${file}`, 'utf8').catch(() => '');
    if (!(await read('cmdline')).includes('weft.mjs\0controller')) continue;
    const cgroup = await read('cgroup');
    if (marks.some((mark) => cgroup.includes(mark))) return Number(entry);
  }
  throw new Error(`no process of the control plane in the pod ${uid}`);
}
