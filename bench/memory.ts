import { readdir, readFile } from 'node:fs/promises';
import { get } from '../e2e/support/run.js';

interface Pods {
  readonly items: { readonly metadata: { readonly uid: string; readonly deletionTimestamp?: string } }[];
}

/** VmRSS in MB of the proxy beside the application `app` of a namespace, from this machine's /proc. */
export async function proxyMemory(namespace: string, app: string): Promise<number> {
  const pods = await get<Pods>('pods', '-n', namespace, '-l', `app=${app}`);
  const uid = pods.items.find((pod) => pod.metadata.deletionTimestamp === undefined)?.metadata.uid;
  if (uid === undefined) throw new Error(`no pod ${namespace}/${app}`);
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (await isProxyOf(pid, uid)) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 102.4) / 10;
    }
  }
  throw new Error(`no proxy process belongs to pod ${uid} of ${namespace}/${app}`);
}

async function isProxyOf(pid: string, podUid: string): Promise<boolean> {
  try {
    const [name, groups] = await Promise.all([
      readFile(`/proc/${pid}/comm`, 'utf8'),
      readFile(`/proc/${pid}/cgroup`, 'utf8'),
    ]);
    return name.trim() === 'weft-proxy' && groups.includes(podUid);
  } catch {
    return false; // the process ended while we looked
  }
}
