import { join } from 'node:path';
import { proxyReady, startProxy } from '../e2e/netns/proxy.js';
import { type Process, until } from '../e2e/netns/process.js';
import { DEFAULT_SETTINGS, MeshTables, type ServicePort } from '../src/model/index.js';
import { startTestControlPlane } from '../src/testing/control-plane.js';
import { aService, aWorkload, anEndpointSet } from '../src/testing/mesh-fixture.js';
import { PODS, PORTS, SERVICE } from './pods.js';
import { HALVES, type Half, POD_OF, type Subject } from './subject.js';

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
  const { csrPort, configPort } = plane;
  return {
    name: 'weft',
    address: SERVICE,
    start: async (place) => {
      const proxies: Process[] = [];
      for (const half of HALVES) {
        const pod = POD_OF[half];
        const files = { directory: place.directory, bundle: join(directory, 'bundle.pem') };
        const given = { pod, serviceAccount: pod, address: PODS[pod], drainSeconds: 1, under: under(half) };
        const proxy = await startProxy({ program, csrPort, configPort, ...files, ...given });
        proxies.push({ ...proxy, name: half });
      }
      for (const half of HALVES) await until(`weft ${half} ready`, () => proxyReady(POD_OF[half]));
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
