import * as z from 'zod';
import { dnsName, port } from '../schema/fields.js';
import { type Kind, objectSchema } from '../schema/kind.js';
import { withRules } from '../schema/rule.js';
import { origination } from './origination.js';

/** A name in the form in which clients ask for it; its last part begins with a letter, so that it is no address in any notation. */
const HOST =
  /^(\*\.([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)+|([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)+)[a-z]([a-z0-9-]*[a-z0-9])?$/;

const host = z.string().min(3).max(253).regex(HOST);

const address = z
  .string()
  .min(3)
  .max(43)
  .regex(/^[0-9A-Fa-f.:]+\/[0-9]{1,3}$/);

const externalPort = withRules(
  z.strictObject({
    port: port.meta({
      description: 'The port that applications dial, and the proxy too unless tls says otherwise.',
    }),
    protocol: z.enum(['TLS', 'HTTP', 'TCP']).meta({
      description:
        'What applications speak there. TLS: TLS of their own, such as HTTPS; its server name (SNI) must be one of the hosts. HTTP: HTTP/1.1, HTTP/2 or gRPC without TLS; the host of each request must be one of the hosts. TCP: anything, to one of the addresses.',
    }),
    tls: origination.optional().meta({
      description:
        'Requests at this port leave the pod in TLS, under every outbound policy. The server is verified before anything is sent; if that fails the request is answered with 503, and it is never sent in plain text. Only with protocol HTTP.',
    }),
  }),
  {
    cel: "!has(self.tls) || self.protocol == 'HTTP'",
    message: 'the proxy opens TLS for HTTP only; use protocol HTTP, or remove tls',
    field: '.tls',
    holds: ({ tls, protocol }) => tls === undefined || protocol === 'HTTP',
  },
);

const reads = ({ protocol }: { readonly protocol: string }): boolean => protocol !== 'TCP';

const spec = withRules(
  z.strictObject({
    hosts: z.array(host).min(1).max(32).optional().meta({
      description:
        'Names of hosts outside the mesh, in lower case: api.example.com, or *.example.com for every name below example.com. Ports for TLS and HTTP need them.',
    }),
    ports: z.array(externalPort).min(1).max(16).meta({
      description: 'What may be spoken with the hosts or addresses, and at which ports.',
    }),
    addresses: z.array(address).min(1).max(32).optional().meta({
      description:
        'Blocks of addresses, such as 203.0.113.0/24 or 203.0.113.7/32, one of which must hold the address that the application dials; the proxy dials the same. Without them the proxy looks up the name itself, and dials what it finds. Ports for TCP need them.',
    }),
    privateAddresses: z.enum(['Refuse', 'Allow']).optional().meta({
      description:
        'Whether names of hosts may lead to private addresses (RFC 1918, unique local, shared). Loopback, link-local and metadata addresses of clouds are refused in any case. Defaults to Refuse.',
    }),
    serviceAccounts: z.array(dnsName).min(1).max(32).optional().meta({
      description:
        'Pods of the namespace that may use it, by their service accounts. By default every pod of the namespace.',
    }),
  }),
  {
    cel: "!self.ports.exists(one, one.protocol != 'TCP') || has(self.hosts)",
    message: 'a port for TLS or HTTP needs hosts; give them, or use protocol TCP with addresses',
    field: '.ports',
    holds: ({ ports, hosts }) => !ports.some(reads) || hosts !== undefined,
  },
  {
    cel: "!self.ports.exists(one, one.protocol == 'TCP') || has(self.addresses)",
    message:
      'a port for TCP needs addresses, since bytes have no name; give them, or use protocol TLS or HTTP',
    field: '.ports',
    holds: ({ ports, addresses }) => ports.every(reads) || addresses !== undefined,
  },
  {
    cel: "!has(self.hosts) || self.ports.exists(one, one.protocol != 'TCP')",
    message: 'a port for TCP does not look at hosts, and there is no other port; remove hosts',
    field: '.hosts',
    holds: ({ ports, hosts }) => hosts === undefined || ports.some(reads),
  },
  {
    cel: '!has(self.privateAddresses) || !has(self.addresses)',
    message: 'only matters where names are looked up, and with addresses they are not; remove it',
    field: '.privateAddresses',
    holds: ({ privateAddresses, addresses }) => privateAddresses === undefined || addresses === undefined,
  },
  {
    cel: 'self.ports.all(one, self.ports.exists_one(other, other.port == one.port))',
    message: 'has the same port twice; keep one of them',
    field: '.ports',
    holds: ({ ports }) => new Set(ports.map((one) => one.port)).size === ports.length,
  },
);

const schema = objectSchema('ExternalService', spec);

/** Hosts or addresses outside the mesh that pods of a namespace may reach. */
export type ExternalService = z.infer<typeof schema>;

export const externalService = {
  kind: 'ExternalService',
  plural: 'externalservices',
  singular: 'externalservice',
  shortNames: ['es'],
  scope: 'Namespaced',
  grantsAccess: true,
  description:
    'Hosts or addresses outside the mesh that pods of its namespace may reach where the outbound policy is RegistryOnly. It concerns no other namespace. Several that are about the same host add up: one that permits it is enough.',
  schema,
  spec,
  rules: [],
  status: true,
  columns: [
    { name: 'Hosts', type: 'string', jsonPath: '.spec.hosts' },
    { name: 'Accepted', type: 'string', jsonPath: '.status.conditions[?(@.type=="Accepted")].status' },
    { name: 'Programmed', type: 'string', jsonPath: '.status.conditions[?(@.type=="Programmed")].status' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
} as const satisfies Kind;
