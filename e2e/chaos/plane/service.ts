import { writeFile } from 'node:fs/promises';
import { names } from '../../../src/base/index.js';
import { run } from '../../netns/process.js';

/** The address of the Service in front of the control plane. */
export const PLANE_SERVICE = '10.96.0.1';

const PORTS = [names.ControlPlanePort.csr, names.ControlPlanePort.config];
const CHAIN = 'WEFT-SERVICE';

/** The part of kube-proxy: connections to the Service go to one of those that are ready, at random. */
export async function makeService(): Promise<void> {
  await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
  await run('iptables', '-t', 'nat', '-N', CHAIN);
  await run('iptables', '-t', 'nat', '-A', 'PREROUTING', '-d', PLANE_SERVICE, '-j', CHAIN);
}

/** Connections that there are stay where they are, as with kube-proxy; where nobody is ready new ones are refused. */
export async function setEndpoints(addresses: readonly string[]): Promise<void> {
  await run('iptables', '-t', 'nat', '-F', CHAIN);
  for (const [index, address] of addresses.entries()) {
    const left = addresses.length - index;
    const share =
      left === 1 ? [] : ['-m', 'statistic', '--mode', 'random', '--probability', String(1 / left)];
    for (const port of PORTS)
      await run(
        'iptables',
        ...['-t', 'nat', '-A', CHAIN, '-p', 'tcp', '--dport', String(port), ...share],
        ...['-j', 'DNAT', '--to-destination', `${address}:${port}`],
      );
  }
}

export async function removeService(): Promise<void> {
  await run('iptables', '-t', 'nat', '-D', 'PREROUTING', '-d', PLANE_SERVICE, '-j', CHAIN);
  await run('iptables', '-t', 'nat', '-F', CHAIN);
  await run('iptables', '-t', 'nat', '-X', CHAIN);
}
