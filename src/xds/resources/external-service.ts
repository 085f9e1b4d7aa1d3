import { create } from '@bufbuild/protobuf';
import { type PodExternalService, type PodOrigination, ipBytes } from '../../model/index.js';
import { IpBlockSchema } from '../../wire/gen/weft/v1/access_pb.js';
import {
  ExternalPort_Protocol,
  ExternalPortSchema,
  ExternalServiceSchema,
  type ExternalTls,
  ExternalTlsSchema,
  type ExternalService as WireExternalService,
} from '../../wire/gen/weft/v1/workload_pb.js';

const PROTOCOLS = {
  tls: ExternalPort_Protocol.TLS,
  http: ExternalPort_Protocol.HTTP,
  tcp: ExternalPort_Protocol.TCP,
} as const;

/** What a pod may reach outside the mesh, as the message of the wire contract. */
export function toWireExternalService({
  ports,
  addresses,
  hosts,
  ...rest
}: PodExternalService): WireExternalService {
  return create(ExternalServiceSchema, {
    ...rest,
    hosts: [...hosts],
    ports: ports.map(({ port, protocol, tls }) =>
      create(ExternalPortSchema, {
        port,
        protocol: PROTOCOLS[protocol],
        ...(tls === undefined ? {} : { tls: toWireTls(tls) }),
      }),
    ),
    addresses: addresses.map(({ address, length }) =>
      create(IpBlockSchema, { address: ipBytes(address), length }),
    ),
  });
}

/** Lists count from 1: 0 is none. */
function toWireTls({ port, dnsNames, uris, authorities, refused }: PodOrigination): ExternalTls {
  return create(ExternalTlsSchema, {
    port,
    dnsNames: [...dnsNames],
    uris: [...uris],
    authorities: authorities === undefined ? 0 : authorities + 1,
    refused: refused ?? '',
  });
}
