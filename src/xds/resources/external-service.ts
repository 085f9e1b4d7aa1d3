import { create } from '@bufbuild/protobuf';
import { type PodExternalService, ipBytes } from '../../model/index.js';
import { IpBlockSchema } from '../../wire/gen/weft/v1/access_pb.js';
import {
  ExternalPort_Protocol,
  ExternalPortSchema,
  ExternalServiceSchema,
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
    ports: ports.map(({ port, protocol }) =>
      create(ExternalPortSchema, { port, protocol: PROTOCOLS[protocol] }),
    ),
    addresses: addresses.map(({ address, length }) =>
      create(IpBlockSchema, { address: ipBytes(address), length }),
    ),
  });
}
