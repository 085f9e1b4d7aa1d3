import { chown, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DEFAULT_SETTINGS, MeshTables, type ServicePort } from '../src/model/index.js';
import { startTestControlPlane, testToken } from '../src/testing/control-plane.js';
import { aService, aWorkload, anEndpointSet } from '../src/testing/mesh-fixture.js';
import {
  NODE,
  PODS,
  PORTS,
  PROXY_UID,
  type PodName,
  type Process,
  SERVICE,
  inPod,
  start,
  until,
} from './pods.js';
import { HALVES, type Half, POD_OF, type Place, type Subject } from './subject.js';

const PORT_LIST: readonly ServicePort[] = [
  { name: 'http', port: PORTS.http1, targetPort: PORTS.http1, protocol: 'TCP', appProtocol: 'http' },
  { name: 'http2', port: PORTS.http2, targetPort: PORTS.http2, protocol: 'TCP', appProtocol: 'h2c' },
  { name: 'tcp', port: PORTS.opaque, targetPort: PORTS.opaque, protocol: 'TCP', appProtocol: 'tcp' },
];

/**
 * Weft as it ships: its own init for capture, the real identity authority and config server (only the API server's
 * opinion on tokens is made up), every default feature on. `under` is a command to run a half under, such as a profiler.
 */
export async function weft(
  program: string,
  directory: string,
  signal: AbortSignal,
  under: (half: Half) => string = () => '',
): Promise<Subject> {
  const plane = await startTestControlPlane(twoPods(), directory, signal);
  const env = {
    WEFT_CONTROL_PLANE_HOST: NODE,
    WEFT_CSR_PORT: String(plane.csrPort),
    WEFT_CONFIG_PORT: String(plane.configPort),
    WEFT_POD_NAMESPACE: 'shop',
    WEFT_LOG: 'warn',
    WEFT_DRAIN_SECONDS: '1',
  };
  return {
    name: 'weft',
    address: SERVICE,
    start: async (place) => {
      const proxies: Process[] = [];
      for (const half of HALVES) {
        const pod = POD_OF[half];
        await inPod(pod, program, 'init');
        const files = await layOut(place, pod, join(directory, 'bundle.pem'));
        const user = String(PROXY_UID);
        const script = `mount --bind ${files} /run/weft
          exec setpriv --reuid ${user} --regid ${user} --clear-groups ${under(half)} ${program} run`;
        proxies.push(
          start(pod, ['sh', '-ec', script], {
            name: half,
            log: join(place.directory, `${half}.log`),
            env: {
              ...env,
              WEFT_POD_NAME: pod,
              WEFT_POD_UID: pod,
              WEFT_SERVICE_ACCOUNT: pod,
              WEFT_POD_IPS: PODS[pod],
            },
          }),
        );
      }
      for (const half of HALVES) await until(`weft ${half} ready`, () => ready(POD_OF[half]));
      return proxies;
    },
  };
}

function twoPods(): MeshTables {
  const mesh = new MeshTables(DEFAULT_SETTINGS);
  mesh.setService(aService({ name: 'server', clusterIPs: [SERVICE], ports: PORT_LIST }));
  for (const [pod, ip] of Object.entries(PODS)) {
    mesh.setWorkload(aWorkload({ uid: pod, ips: [ip], serviceAccount: pod }));
  }
  const ports = PORT_LIST.map(({ name, port }) => ({ name, port, protocol: 'TCP' as const }));
  mesh.setEndpoints({ ...anEndpointSet('server', { server: PODS.server }), ports });
  return mesh;
}

/** The files of a pod, as its volumes would hold them. */
async function layOut({ directory }: Place, pod: PodName, bundle: string): Promise<string> {
  const files = join(directory, pod);
  for (const name of ['token', 'trust', 'state']) await mkdir(join(files, name), { recursive: true });
  await writeFile(join(files, 'token/token'), testToken(pod));
  await copyFile(bundle, join(files, 'trust/bundle.pem'));
  await chown(join(files, 'state'), PROXY_UID, PROXY_UID);
  return files;
}

async function ready(pod: PodName): Promise<void> {
  await inPod(
    pod,
    'bash',
    '-c',
    'exec 3<>/dev/tcp/127.0.0.1/15121; printf "GET /ready HTTP/1.0\\r\\n\\r\\n" >&3; head -1 <&3 | grep -q 200',
  );
}
