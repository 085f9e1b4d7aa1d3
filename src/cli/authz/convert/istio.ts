import * as z from 'zod';
import {
  combinations,
  rulePorts,
  servicesFor,
  subjectOf,
  Unsayable,
  type Grant,
  type ServiceShape,
} from './converted.js';

const texts = z.array(z.string()).optional();
const source = z.strictObject({
  principals: texts,
  notPrincipals: texts,
  namespaces: texts,
  notNamespaces: texts,
  serviceAccounts: texts,
  notServiceAccounts: texts,
  ipBlocks: texts,
  notIpBlocks: texts,
  remoteIpBlocks: texts,
  notRemoteIpBlocks: texts,
  requestPrincipals: texts,
  notRequestPrincipals: texts,
  trustDomains: texts,
  notTrustDomains: texts,
});
const operation = z.strictObject({
  hosts: texts,
  notHosts: texts,
  ports: texts,
  notPorts: texts,
  methods: texts,
  notMethods: texts,
  paths: texts,
  notPaths: texts,
});
const rule = z.strictObject({
  from: z.array(z.strictObject({ source })).optional(),
  to: z.array(z.strictObject({ operation })).optional(),
  when: z.array(z.strictObject({ key: z.string(), values: texts, notValues: texts })).optional(),
});

const targetRef = z.strictObject({
  group: z.string().default(''),
  kind: z.string(),
  name: z.string(),
  namespace: z.string().optional(),
});

/** AuthorizationPolicy of security.istio.io, v1 and v1beta1. */
export const istioPolicy = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string().default('default'),
    annotations: z.record(z.string(), z.string()).default({}),
  }),
  spec: z
    .strictObject({
      selector: z.strictObject({ matchLabels: z.record(z.string(), z.string()).default({}) }).optional(),
      targetRef: targetRef.optional(),
      targetRefs: z.array(targetRef).optional(),
      action: z.enum(['ALLOW', 'DENY', 'AUDIT', 'CUSTOM']).default('ALLOW'),
      provider: z.unknown().optional(),
      rules: z.array(rule).optional(),
    })
    .default({ action: 'ALLOW' }),
});

export type IstioPolicy = z.infer<typeof istioPolicy>;
type Rule = z.infer<typeof rule>;
type Source = z.infer<typeof source>;
type Operation = z.infer<typeof operation>;

/** Which Services a policy is about; undefined: every pod of its namespace. */
export function istioTargets(
  { metadata: { namespace }, spec }: IstioPolicy,
  effect: Grant['effect'],
  services: readonly ServiceShape[],
): readonly ServiceShape[] | undefined {
  const refs = [...(spec.targetRef === undefined ? [] : [spec.targetRef]), ...(spec.targetRefs ?? [])];
  if (refs.length > 0)
    return refs.map(({ kind, name }) => {
      if (kind !== 'Service')
        throw new Unsayable(
          'spec.targetRefs',
          `${kind} is not what our rules act on: they hold at the pods that are called`,
        );
      return (
        services.find((one) => one.namespace === namespace && one.name === name) ?? {
          namespace,
          name,
          selector: {},
          ports: [],
        }
      );
    });
  const labels = spec.selector?.matchLabels ?? {};
  if (Object.keys(labels).length === 0) return undefined;
  return servicesFor(labels, { namespace, path: 'spec.selector', effect }, services);
}

/** Whether a policy is about every pod of its namespace. */
export function isWide({ spec: { selector, targetRef: one, targetRefs = [] } }: IstioPolicy): boolean {
  return (
    one === undefined && targetRefs.length === 0 && Object.keys(selector?.matchLabels ?? {}).length === 0
  );
}

/** Callers and requests of one rule; throws `Unsayable` with the field that has no counterpart. */
export function convertRule(
  { from, to, when = [] }: Rule,
  at: string,
  targets: readonly ServiceShape[] | undefined,
): Pick<Grant, 'subjects' | 'rules'> {
  const conditions = when.map((one, index) => whenOf(one, `${at}.when[${index}]`));
  const ofCaller = conditions.flatMap((one) => ('callers' in one ? [one.callers] : []));
  const sources = from ?? [{ source: {} }];
  const subjects = sources.flatMap((one, index) =>
    combinations([...callersOf(one.source, `${at}.from[${index}].source`), ...ofCaller]).map(subjectOf),
  );
  const operations = to ?? [{ operation: {} }];
  const rules = operations.flatMap((one, index) => {
    const base = requestOf(one.operation, `${at}.to[${index}].operation`, targets);
    const more = conditions.flatMap((condition) => ('requests' in condition ? [condition.requests] : []));
    return combinations(more).map((parts) => joined(base, parts));
  });
  return { subjects, rules };
}

function joined(base: object, parts: readonly object[]): object {
  const headers = parts.flatMap((part) => ('header' in part ? [part.header] : []));
  return { ...base, ...(headers.length === 0 ? {} : { headers }) };
}

/** One list for each field: any of it, and all fields together. */
function callersOf(given: Source, at: string): readonly (readonly object[])[] {
  const { principals, namespaces, serviceAccounts, ipBlocks, trustDomains } = given;
  refuse(given, at, {
    remoteIpBlocks: 'the address in X-Forwarded-For is not believed; use ipBlocks, or judge at the ingress',
    notRemoteIpBlocks: 'the address in X-Forwarded-For is not believed',
    requestPrincipals: 'write the token of the user as a subject by hand (docs/access.md)',
    notRequestPrincipals: 'write the token of the user as a subject by hand (docs/access.md)',
  });
  const positive: readonly (readonly [
    string,
    readonly string[] | undefined,
    (text: string, path: string) => object,
  ])[] = [
    ['principals', principals, principal],
    ['namespaces', namespaces, namespaceOf],
    ['serviceAccounts', serviceAccounts, accountOf],
    ['ipBlocks', ipBlocks, blockOf],
    ['trustDomains', trustDomains, domainOf],
  ];
  const negative: readonly (readonly [
    string,
    readonly string[] | undefined,
    (text: string, path: string) => object,
  ])[] = [
    ['notPrincipals', given.notPrincipals, principal],
    ['notNamespaces', given.notNamespaces, namespaceOf],
    ['notServiceAccounts', given.notServiceAccounts, accountOf],
    ['notIpBlocks', given.notIpBlocks, blockOf],
    ['notTrustDomains', given.notTrustDomains, domainOf],
  ];
  return [
    ...positive.flatMap(([field, values, read]) =>
      values === undefined ? [] : [values.map((value) => read(value, `${at}.${field}`))],
    ),
    ...negative.flatMap(([field, values = [], read]) =>
      values.map((value) => [{ not: read(value, `${at}.${field}`) }]),
    ),
  ];
}

function refuse(given: object, at: string, reasons: Readonly<Record<string, string>>): void {
  for (const [field, reason] of Object.entries(reasons))
    if (field in given && (given as Record<string, unknown>)[field] !== undefined)
      throw new Unsayable(`${at}.${field}`, `has no counterpart: ${reason}`);
}

/** `cluster.local` is, to Istio, the mesh's own trust domain whatever that is called. */
function inDomain(domain: string): object {
  return domain === 'cluster.local' ? {} : { trustDomain: domain };
}

function principal(text: string, path: string): object {
  if (text === '*') return { caller: 'Authenticated' };
  const whole = /^([^/*]+)\/ns\/([^/*]+)\/sa\/([^/*]+)$/.exec(text);
  if (whole !== null) {
    const [, domain = '', namespace = '', name = ''] = whole;
    return { serviceAccount: { name, namespace, ...inDomain(domain) } };
  }
  const below = /^([^/*]+)\/ns\/([^/*]+)\/(?:sa\/)?\*$/.exec(text);
  if (below !== null) return { namespace: { name: below[2], ...inDomain(below[1] ?? '') } };
  const domain = /^([^/*]+)\/(?:ns\/)?\*$/.exec(text);
  if (domain !== null) return { trustDomain: { name: domain[1] } };
  throw new Unsayable(
    path,
    `${text} is neither a whole principal nor all of a namespace or trust domain, and parts of names are not compared`,
  );
}

function namespaceOf(text: string, path: string): object {
  if (text === '*') return { caller: 'Authenticated' };
  if (text.includes('*'))
    throw new Unsayable(path, `${text}: parts of names are not compared; list the namespaces`);
  return { namespace: { name: text } };
}

function accountOf(text: string, path: string): object {
  const [first = '', second] = text.split('/');
  if (text.includes('*'))
    throw new Unsayable(path, `${text}: parts of names are not compared; list the service accounts`);
  return { serviceAccount: second === undefined ? { name: first } : { name: second, namespace: first } };
}

function blockOf(text: string): object {
  const length = text.includes(':') ? 128 : 32;
  return { cidr: text.includes('/') ? text : `${text}/${length}` };
}

function domainOf(text: string, path: string): object {
  if (text.includes('*'))
    throw new Unsayable(path, `${text}: parts of names are not compared; list the trust domains`);
  return { trustDomain: { name: text } };
}

function requestOf(given: Operation, at: string, targets: readonly ServiceShape[] | undefined): object {
  const only = 'rules say what is asked for and not what is not';
  refuse(given, at, {
    hosts: 'rules go by the Service that is called, since callers write the Host themselves',
    notHosts: 'rules go by the Service that is called, since callers write the Host themselves',
    notPorts: only,
    notMethods: only,
    notPaths: only,
  });
  const { ports, methods, paths } = given;
  return {
    ...rulePorts(ports?.map(Number), targets, `${at}.ports`),
    ...(methods === undefined || methods.includes('*')
      ? {}
      : { methods: methods.map((one) => whole(one, `${at}.methods`)) }),
    ...(paths === undefined ? {} : { paths: paths.map((one) => pathOf(one, `${at}.paths`)) }),
  };
}

function whole(text: string, path: string): string {
  if (text.includes('*'))
    throw new Unsayable(path, `${text}: parts of names are not compared; list the methods`);
  return text;
}

/** Whether a denial goes by requests and names no port: there it also closes what carries bytes, here that must be named. */
export function deniesBytesToo({ to = [{ operation: {} }], when = [] }: Rule): boolean {
  const byHeader = when.some(({ key }) => key.startsWith('request.headers['));
  return to.some(
    ({ operation: { ports, methods, paths } }) =>
      ports === undefined && (byHeader || methods !== undefined || paths !== undefined),
  );
}

function pathOf(text: string, path: string): string {
  if (text === '*') return '/*';
  if (/[{}]/.test(text.replaceAll('{*}', '').replace(/\{\*\*\}$/, '')))
    throw new Unsayable(
      path,
      `${text} means these very letters there, and any segment here; no pattern says it`,
    );
  const named = text.replaceAll('{*}', '{any}').replace(/\{\*\*\}$/, '*');
  if (/\*/.test(named.replace(/\/\*$/, '')))
    throw new Unsayable(
      path,
      `${text} ends within a segment, or begins with anything: patterns take whole segments, as in /a/*`,
    );
  return named;
}

type Condition = { readonly callers: readonly object[] } | { readonly requests: readonly object[] };

function whenOf({ key, values, notValues }: NonNullable<Rule['when']>[number], at: string): Condition {
  const read = CALLER_KEYS[key];
  if (read !== undefined) return { callers: callersWhen(read, values, notValues, at) };
  const header = /^request\.headers\[(.+)\]$/.exec(key)?.[1];
  if (header === undefined)
    throw new Unsayable(
      `${at}.key`,
      `${key} has no counterpart; what there is: source.principal, source.namespace, source.ip and request.headers[...]`,
    );
  if (notValues !== undefined)
    throw new Unsayable(`${at}.notValues`, 'rules ask what a header says and not what it does not');
  return { requests: (values ?? []).map((value) => ({ header: headerOf(header, value, `${at}.values`) })) };
}

function callersWhen(
  read: (text: string, path: string) => object,
  values: readonly string[] | undefined,
  notValues: readonly string[] | undefined,
  at: string,
): readonly object[] {
  const negative = (notValues ?? []).map((value) => ({ not: read(value, `${at}.notValues`) }));
  if (values === undefined && negative.length === 1) return negative;
  if (negative.length > 0)
    throw new Unsayable(
      `${at}.notValues`,
      'write the condition as a field of from, where several may be given',
    );
  return (values ?? []).map((value) => read(value, `${at}.values`));
}

const CALLER_KEYS: Readonly<Record<string, (text: string, path: string) => object>> = {
  'source.principal': principal,
  'source.namespace': namespaceOf,
  'source.ip': blockOf,
};

function headerOf(name: string, value: string, path: string): object {
  if (value === '*') return { name, present: true };
  const stem = value.endsWith('*') ? value.slice(0, -1) : value;
  if (stem.includes('*'))
    throw new Unsayable(path, `${value}: values are compared whole or by their beginning`);
  return stem === value ? { name, exact: value } : { name, prefix: stem };
}
