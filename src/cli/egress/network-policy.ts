import type { ExternalService } from '../../model/index.js';

/** Blocks that a name from outside has no business to lead to; the proxy refuses them address by address. */
const PRIVATE_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/3',
];
/** Loopback, link-local and the like whatever is declared, and metadata of clouds. */
const NEVER_IPV4 = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3'];
const METADATA_IPV4 = ['168.63.129.16/32', '100.100.100.200/32'];
const PRIVATE_IPV6 = ['fc00::/7', 'fe80::/10', 'ff00::/8'];
const NEVER_IPV6 = ['fe80::/10', 'ff00::/8', 'fd00:ec2::254/128', 'fd20:ce::254/128'];

/** An address of the API server, behind the Service `kubernetes`. */
export interface ApiServerAddress {
  readonly address: string;
  readonly port: number;
}

interface Rule {
  readonly to: readonly object[];
  readonly ports: readonly object[];
}

/**
 * A NetworkPolicy for all pods of a namespace, whether they have a proxy or not, that closes what goes past proxies: UDP but for DNS,
 * and ports outside the cluster that nothing declares. It knows no names, which the proxies judge.
 */
export function egressNetworkPolicy(
  namespace: string,
  services: readonly ExternalService[],
  apiServer: readonly ApiServerAddress[],
): object {
  const dns = { to: [pods('kube-system')], ports: [at(53, 'UDP'), at(53, 'TCP')] };
  const inside = { to: [{ namespaceSelector: {} }], ports: [{ protocol: 'TCP' }] };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'weft-egress', namespace },
    spec: {
      podSelector: {},
      policyTypes: ['Egress'],
      egress: [dns, inside, ...toApiServer(apiServer), ...services.flatMap(outside)],
    },
  };
}

function toApiServer(addresses: readonly ApiServerAddress[]): Rule[] {
  return addresses.map(({ address, port }) => ({ to: [block(cidrOf(address))], ports: [at(port, 'TCP')] }));
}

/** Where an ExternalService leads, as far as addresses tell. */
function outside({ ports, addresses, privateAddresses }: ExternalService): Rule[] {
  const to =
    addresses.length > 0
      ? addresses.map(({ address, length }) => block(`${address}/${length}`))
      : [
          block('0.0.0.0/0', [...(privateAddresses ? NEVER_IPV4 : PRIVATE_IPV4), ...METADATA_IPV4]),
          block('::/0', privateAddresses ? NEVER_IPV6 : PRIVATE_IPV6),
        ];
  return [{ to, ports: ports.map(({ port, tls }) => at(tls?.port ?? port, 'TCP')) }];
}

function pods(namespace: string): object {
  return { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } };
}

function block(cidr: string, except: readonly string[] = []): object {
  return { ipBlock: { cidr, ...(except.length === 0 ? {} : { except }) } };
}

function cidrOf(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`;
}

function at(port: number, protocol: 'TCP' | 'UDP'): object {
  return { protocol, port };
}
