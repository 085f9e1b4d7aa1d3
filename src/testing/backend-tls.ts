import { type BackendTlsPolicy, toBackendTlsPolicy } from '../model/index.js';

/** The certificate of an authority that nobody has the key of; valid for a hundred years. */
export const AUTHORITY_PEM = [
  '-----BEGIN CERTIFICATE-----',
  'MIIBdDCCARugAwIBAgIUIfUTJZlvEW8lDb/FSK4xUk128FwwCgYIKoZIzj0EAwIw',
  'DzENMAsGA1UEAwwEQ29ycDAgFw0yNjExMzAwODMzMjZaGA8yMTI2MTEwNjA4MzMy',
  'NlowDzENMAsGA1UEAwwEQ29ycDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJlf',
  'c1UUF7e+AHeeAlENlzj4ieVu/mFEJyYaL4FCAzyqiAi+k4APsECveqYCdrbgqXHI',
  'IdWSOz+R5DuOZZdAXoCjUzBRMB0GA1UdDgQWBBQPpRHSQHiuXEgiqLBv1OmKZUHx',
  'czAfBgNVHSMEGDAWgBQPpRHSQHiuXEgiqLBv1OmKZUHxczAPBgNVHRMBAf8EBTAD',
  'AQH/MAoGCCqGSM49BAMCA0cAMEQCIFZT7ixLlKpvBp4wrF9K/0PyqSyueAKy4epS',
  'rwgcbjvGAiBFLLu6CqUT/JB41tDtEQmVT2rBU8htpTwN9jgI9X6Duw==',
  '-----END CERTIFICATE-----',
  '',
].join('\n');

/** Trusts what ConfigMap `ca` beside the policy holds. */
export const CONFIG_MAP = { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] };

/** How a BackendTLSPolicy of a test differs from one on Service `shop/ratings` that trusts `CONFIG_MAP`. */
export interface BackendTlsFields {
  readonly target?: string;
  readonly section?: string;
  readonly validation?: object;
  readonly createdAt?: string;
  readonly generation?: number;
}

/** A BackendTLSPolicy `shop/<name>` as the API server stores it, whose uid is its name. */
export function backendTlsObject(name: string, fields: BackendTlsFields = {}) {
  const { target = 'ratings', section, validation = CONFIG_MAP, generation = 1 } = fields;
  const { createdAt = '2026-01-01T00:00:00Z' } = fields;
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'BackendTLSPolicy',
    metadata: { name, namespace: 'shop', uid: name, generation, creationTimestamp: createdAt },
    spec: {
      targetRefs: [
        {
          group: '',
          kind: 'Service',
          name: target,
          ...(section === undefined ? {} : { sectionName: section }),
        },
      ],
      validation: { hostname: 'ratings.example.org', ...validation },
    },
  };
}

/** The same, read. */
export function aBackendTlsPolicy(name: string, fields: BackendTlsFields = {}): BackendTlsPolicy {
  const policy = toBackendTlsPolicy(backendTlsObject(name, fields));
  if (policy === undefined) throw new Error(`${name} has not the shape of a BackendTLSPolicy`);
  return policy;
}

/** What a ConfigMap `shop/<name>` has under `ca.crt`. */
export function aCaBundle(name = 'ca', pem = AUTHORITY_PEM) {
  return { namespace: 'shop', name, pem };
}
