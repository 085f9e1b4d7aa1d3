import { chown, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { testToken } from '../../src/testing/control-plane.js';
import { NODE } from './network.js';
import { PROXY_UID, type Process, asProxy, inPod, start } from './process.js';

/** The pod a proxy stands in, and what it is given. */
export interface ProxyPlace {
  /** Path of weft-proxy. */
  readonly program: string;
  /** Name of the pod, of its uid and of its network namespace. */
  readonly pod: string;
  /** Namespace `shop` has it. */
  readonly serviceAccount: string;
  readonly address: string;
  /** A directory of this pod alone; the proxy's log is `<pod>.log` in it. */
  readonly directory: string;
  /** The trust bundle. */
  readonly bundle: string;
  /** Address of the control plane; by default it is on the node. */
  readonly controlPlane?: string | undefined;
  readonly csrPort: number;
  readonly configPort: number;
  /** Longest drain. */
  readonly drainSeconds: number;
  /** A command to run it under, such as a profiler. */
  readonly under?: string | undefined;
  /** Environment beside what a pod gets anyway. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
}

/** Weft as it ships: its own init programs capture, then it runs as the user that capture leaves alone. */
export async function startProxy(place: ProxyPlace): Promise<Process> {
  const { program, pod, directory } = place;
  await inPod(pod, program, 'init');
  const files = await layOut(place);
  const command = asProxy([...(place.under ?? '').split(' ').filter((word) => word !== ''), program, 'run']);
  const script = `mount --bind ${files} /run/weft\nexec ${command.join(' ')}`;
  return start(pod, ['sh', '-ec', script], {
    name: pod,
    log: join(directory, `${pod}.log`),
    env: {
      WEFT_CONTROL_PLANE_HOST: place.controlPlane ?? NODE,
      WEFT_CSR_PORT: String(place.csrPort),
      WEFT_CONFIG_PORT: String(place.configPort),
      WEFT_POD_NAMESPACE: 'shop',
      WEFT_POD_NAME: pod,
      WEFT_POD_UID: pod,
      WEFT_SERVICE_ACCOUNT: place.serviceAccount,
      WEFT_POD_IPS: place.address,
      WEFT_LOG: 'warn',
      WEFT_DRAIN_SECONDS: String(place.drainSeconds),
      ...place.settings,
    },
  });
}

/** A command for a pod's bash that succeeds once its proxy says that it may take traffic. */
export const PROXY_READY =
  'exec 3<>/dev/tcp/127.0.0.1/15121; printf "GET /ready HTTP/1.0\\r\\n\\r\\n" >&3; head -1 <&3 | grep -q 200';

/** Throws unless the proxy in the pod says that it may take traffic. */
export async function proxyReady(pod: string): Promise<void> {
  await inPod(pod, 'bash', '-c', PROXY_READY);
}

/** The files of a pod, as its volumes would hold them. */
async function layOut({ directory, pod, bundle }: ProxyPlace): Promise<string> {
  const files = join(directory, pod);
  for (const name of ['token', 'trust', 'state']) await mkdir(join(files, name), { recursive: true });
  await writeFile(join(files, 'token/token'), testToken(pod));
  await copyFile(bundle, join(files, 'trust/bundle.pem'));
  await chown(join(files, 'state'), PROXY_UID, PROXY_UID);
  return files;
}
