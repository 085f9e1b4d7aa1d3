import { type ExternalService as ServiceObject, externalService, violations } from '../../api/index.js';
import type { AddressBlock, ExternalPort, ExternalService } from '../words/external-service.js';
import { toAddressBlock } from '../words/ip.js';
import type { PolicyRef } from '../words/policy.js';
import type { Problem } from '../words/problem.js';

/** What became of an ExternalService object. */
export interface ReadExternalService {
  /** Absent when it cannot act. */
  readonly service?: ExternalService;
  readonly problems: readonly Problem[];
}

/** Reads an ExternalService as the API server stores it. */
export function toExternalService(object: unknown): ReadExternalService {
  const problems = violations(externalService, object).map(({ path, message }) => invalid(path, message));
  const { success, data } = externalService.schema.safeParse(object);
  if (!success || problems.length > 0) return { problems };
  const { hosts = [], ports, addresses = [], privateAddresses, serviceAccounts } = data.spec;
  const blocks = addresses.map(toAddressBlock);
  const bad = blocks.findIndex((block) => block === undefined);
  if (bad >= 0) {
    return {
      problems: [
        invalid(`spec.addresses[${bad}]`, 'is not a valid block of addresses; write it like 203.0.113.0/24'),
      ],
    };
  }
  return {
    service: {
      ref: refOf(data.metadata),
      hosts,
      ports: ports.map(toPort),
      addresses: blocks.filter((block): block is AddressBlock => block !== undefined),
      privateAddresses: privateAddresses === 'Allow',
      ...(serviceAccounts === undefined ? {} : { serviceAccounts }),
    },
    problems: [],
  };
}

function toPort(
  { port, protocol, tls }: ServiceObject['spec']['ports'][number],
  index: number,
): ExternalPort {
  const read = { port, protocol: PROTOCOLS[protocol] };
  if (tls === undefined) return read;
  const { port: to = HTTPS, subjectAltNames = [], caCertificateRefs = [], wellKnownCACertificates } = tls;
  const field = `spec.ports[${index}].tls`;
  return {
    ...read,
    tls: {
      port: to,
      names: {
        dns: subjectAltNames.flatMap(({ hostname }) => hostname ?? []),
        uris: subjectAltNames.flatMap(({ uri }) => uri ?? []),
      },
      authorities: caCertificateRefs.map((one, at) => ({
        ...one,
        field: `${field}.caCertificateRefs[${at}]`,
      })),
      ...(wellKnownCACertificates === undefined ? {} : { wellKnown: wellKnownCACertificates }),
      field,
    },
  };
}

/** Where servers of HTTPS are, by default. */
const HTTPS = 443;

const PROTOCOLS = { TLS: 'tls', HTTP: 'http', TCP: 'tcp' } as const satisfies Record<
  string,
  ExternalPort['protocol']
>;

function refOf(metadata: ServiceObject['metadata']): PolicyRef {
  const { namespace = 'default', name, uid = '', generation = 0, creationTimestamp = '' } = metadata;
  return { kind: 'ExternalService', namespace, name, uid, generation, creationTimestamp };
}

function invalid(field: string, message: string): Problem {
  return { condition: 'Accepted', reason: 'Invalid', field, message };
}
