import { rows } from './row.js';

/** What the control plane judges of objects in each other's company, and tells in their status, too. */
export const JUDGED_ROWS = rows([
  {
    code: 'WEFT201',
    severity: 'error',
    title: 'Target does not exist',
    meaning:
      'The Service, port, route or rule that the object is about is not there, so the object does nothing.',
    remedy: 'Create the target, or correct its name, namespace or port.',
  },
  {
    code: 'WEFT202',
    severity: 'error',
    title: 'Backend does not exist',
    meaning:
      'Requests or connections should go to a Service or port that is not there. Their share is answered 500, or reset; copies are not sent.',
    remedy: 'Create the Service, or correct the reference.',
  },
  {
    code: 'WEFT203',
    severity: 'error',
    title: 'Reference without a grant',
    meaning:
      'The object refers to a Service of another namespace, and no ReferenceGrant there permits it. Routes answer 500; an external check refuses every request; a shared rate limit does what its onFailure says.',
    remedy: 'Have a ReferenceGrant created in the namespace of the Service (docs/grants.md).',
  },
  {
    code: 'WEFT204',
    severity: 'error',
    title: 'An older object has the same target',
    meaning:
      'Two objects say something about the same, and the older one wins; the younger does nothing there.',
    remedy: 'Merge the two, or delete one.',
  },
  {
    code: 'WEFT205',
    severity: 'error',
    title: 'More than a proxy takes',
    meaning:
      'Together with the older ones the object exceeds what a destination or a pod may hold, so it does nothing.',
    remedy:
      'Use fewer matches, regular expressions, rules or subjects; the finding says of which there are too many.',
  },
  {
    code: 'WEFT206',
    severity: 'error',
    title: 'Below the minimum of the installation',
    meaning: 'The installation demands more than the object asks for, so the object is not heard.',
    remedy: 'Raise the mode, or have the minimum among the values of the chart lowered.',
  },
  {
    code: 'WEFT207',
    severity: 'error',
    title: 'Part of Gateway API that is not supported',
    meaning:
      'A rule uses a value, a filter or a kind that Weft does not support; the rule answers 500, or is left out.',
    remedy: 'Write it otherwise; docs/gateway-api.md lists what is supported.',
  },
  {
    code: 'WEFT208',
    severity: 'error',
    title: 'Binding without its role',
    meaning:
      'The role that the binding names is not there: it allows nothing, or denies its subjects everything.',
    remedy: 'Create the MeshRole, or correct its name.',
  },
  {
    code: 'WEFT209',
    severity: 'error',
    title: 'No JwtIssuer for the tokens that are asked for',
    meaning:
      'No JwtIssuer of the namespace has this issuer, so that no token counts: nobody is let in by it, and limits do not tell requests apart.',
    remedy: 'Create the JwtIssuer, or correct the issuer.',
  },
  {
    code: 'WEFT210',
    severity: 'error',
    title: 'Keys of a JwtIssuer cannot be used',
    meaning:
      'Its keys could not be fetched, are too old or partly of no use; tokens that are signed with them are refused.',
    remedy: 'See that its URL can be reached from the control plane and serves a JWK set.',
  },
  {
    code: 'WEFT211',
    severity: 'error',
    title: 'Contradicts its target',
    meaning:
      'The object asks for something that its target cannot have, such as a limit of requests at a port that carries bytes.',
    remedy: 'Correct the protocol of the port, or the target.',
  },
  {
    code: 'WEFT212',
    severity: 'error',
    title: 'Proxies do not have it',
    meaning:
      'Most proxies that use the object have rejected it, or do not answer; they go on with what they had.',
    remedy:
      'Upgrade proxies that are older than the control plane, by recreating their pods; the finding names some.',
  },
  {
    code: 'WEFT213',
    severity: 'error',
    title: 'No usable certificate of an authority',
    meaning:
      'A BackendTLSPolicy or an ExternalService names no authority that can be read, so that no server can be verified and no connection is opened.',
    remedy:
      'Create the ConfigMap or ClusterTrustBundle that it names, with the certificates in PEM (in a ConfigMap under ca.crt).',
  },
  {
    code: 'WEFT219',
    severity: 'error',
    title: 'Refused by the control plane',
    meaning: 'The control plane has refused the object for another reason, which the finding repeats.',
    remedy: 'Do what the message says.',
  },
]);

/** By the reason of the condition. */
export const CODE_OF_REASON: Readonly<Record<string, (typeof JUDGED_ROWS)[number]['code']>> = {
  TargetNotFound: 'WEFT201',
  NoMatchingParent: 'WEFT201',
  BackendNotFound: 'WEFT202',
  RefNotPermitted: 'WEFT203',
  Conflicted: 'WEFT204',
  TooLarge: 'WEFT205',
  BelowMinimum: 'WEFT206',
  UnsupportedValue: 'WEFT207',
  IncompatibleFilters: 'WEFT207',
  InvalidKind: 'WEFT207',
  RoleNotFound: 'WEFT208',
  IssuerNotFound: 'WEFT209',
  KeysMissing: 'WEFT210',
  KeysStale: 'WEFT210',
  KeysSkipped: 'WEFT210',
  Invalid: 'WEFT211',
  Rejected: 'WEFT212',
  NotAnswered: 'WEFT212',
  NoValidCACertificate: 'WEFT213',
  InvalidCACertificateRef: 'WEFT213',
};

/** Of what is not there: it cannot be said of objects that are not all there are. */
export const ABSENCES: ReadonlySet<string> = new Set([
  'WEFT201',
  'WEFT202',
  'WEFT203',
  'WEFT208',
  'WEFT209',
  'WEFT210',
  'WEFT213',
]);
