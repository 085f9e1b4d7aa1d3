import { BlockList, isIP } from 'node:net';

/** Whether a connection may be opened to an address. */
export type MayDial = (address: string) => boolean;

/** Never dialled, whatever is allowed: ourselves, our link with its metadata services, nobody, everybody. */
const NEVER = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  '::/128',
  '::1/128',
  'fe80::/10',
  'ff00::/8',
];

/** Of networks that are not the internet; those that translate addresses could lead anywhere. */
const PRIVATE = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '::/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  'fc00::/7',
  'fec0::/10',
];

/** Public addresses, and those of the private networks (CIDR) that are listed. */
export function dialOnly(privateNetworks: readonly string[]): MayDial {
  const [never, closed, allowed] = [NEVER, PRIVATE, privateNetworks].map(blockList);
  return (address) => {
    const family = FAMILIES[isIP(address)];
    if (family === undefined || never === undefined || never.check(address, family)) return false;
    return allowed?.check(address, family) === true || closed?.check(address, family) === false;
  };
}

const FAMILIES: Readonly<Record<number, 'ipv4' | 'ipv6'>> = { 4: 'ipv4', 6: 'ipv6' };

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits = ''] = network.split('/');
    list.addSubnet(address, Number(bits), FAMILIES[isIP(address)]);
  }
  return list;
}
