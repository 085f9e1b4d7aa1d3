import * as z from 'zod';
import { dnsName, port } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';

/** A host as certificates name it: `*.` stands for one label more. */
const HOSTNAME = /^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

const subjectAltName = withRules(
  z.strictObject({
    type: z.enum(['Hostname', 'URI']).meta({ description: 'What kind of name it is.' }),
    hostname: z.string().min(1).max(253).regex(HOSTNAME).optional().meta({
      description: 'A DNS name of the certificate, in lower case; *.example.com accepts one label more.',
    }),
    uri: z
      .string()
      .min(1)
      .max(253)
      .regex(/^[a-z][a-z0-9+.-]*:\/\/[^ ]+$/)
      .optional()
      .meta({ description: 'A URI of the certificate, such as spiffe://example.com/api.' }),
  }),
  {
    cel: "self.type == 'Hostname' ? has(self.hostname) && !has(self.uri) : has(self.uri) && !has(self.hostname)",
    message: 'needs hostname with type Hostname, or uri with type URI, and not the other',
    holds: ({ type, hostname, uri }) =>
      type === 'Hostname'
        ? hostname !== undefined && uri === undefined
        : uri !== undefined && hostname === undefined,
  },
);

const caCertificateRef = withRules(
  z.strictObject({
    group: z.enum(['', 'certificates.k8s.io']).meta({
      description: 'API group: empty for a ConfigMap, certificates.k8s.io for a ClusterTrustBundle.',
    }),
    kind: z.enum(['ConfigMap', 'ClusterTrustBundle']).meta({
      description:
        'ConfigMap: of the same namespace, with certificates as PEM under the key ca.crt. ClusterTrustBundle: Kubernetes 1.37 and later.',
    }),
    name: dnsName.meta({ description: 'Name of the object.' }),
  }),
  {
    cel: "(self.kind == 'ConfigMap') == (self.group == '')",
    message: 'a ConfigMap has group "", and a ClusterTrustBundle certificates.k8s.io; correct the group',
    field: '.group',
    holds: ({ group, kind }) => (kind === 'ConfigMap') === (group === ''),
  },
);

/** TLS that the proxy opens for requests that the application sends in plain text. Names of fields are those of BackendTLSPolicy. */
export const origination = withRules(
  z.strictObject({
    mode: z.enum(['Originate']).meta({ description: 'Originate: the proxy opens TLS.' }),
    port: port.optional().meta({
      description: 'The port that the proxy dials in the place of that of the application. Defaults to 443.',
    }),
    subjectAltNames: z.array(subjectAltName).min(1).max(5).optional().meta({
      description:
        "Names of which the server's certificate must contain one. By default it must be valid for the host that the request is for, which is also the server name (SNI) in any case.",
    }),
    caCertificateRefs: z.array(caCertificateRef).min(1).max(8).optional().meta({
      description: 'Where the certificates of authorities are, one of which must have signed for the server.',
    }),
    wellKnownCACertificates: z.enum(['System']).optional().meta({
      description: "System: the public authorities that browsers trust, by Mozilla's list.",
    }),
  }),
  {
    cel: 'has(self.caCertificateRefs) != has(self.wellKnownCACertificates)',
    message:
      'needs either caCertificateRefs or wellKnownCACertificates: without an authority no server can be verified',
    holds: ({ caCertificateRefs, wellKnownCACertificates }) =>
      (caCertificateRefs === undefined) !== (wellKnownCACertificates === undefined),
  },
);
