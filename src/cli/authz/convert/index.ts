import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { MeshError, names } from '../../../base/index.js';
import { manifestName, readManifests } from '../../manifests.js';
import { plural, type Page } from '../../page.js';
import {
  toJson,
  toObjects,
  toYaml,
  Unsayable,
  type Conversion,
  type Finding,
  type Grant,
  type ServiceShape,
} from './converted.js';
import {
  accessPolicy,
  convertAccessRule,
  convertGepRule,
  gepPolicy,
  sharesTarget,
  type AccessPolicy,
} from './gateway.js';
import { convertRule, deniesBytesToo, istioPolicy, istioTargets, isWide, type IstioPolicy } from './istio.js';
import {
  convertLinkerdPolicy,
  convertServer,
  linkerdPolicy,
  linkerdRoute,
  linkerdServer,
  meshTls,
  network,
  type LinkerdObjects,
} from './linkerd.js';

/** Access rules of others in files, as MeshRoles and MeshRoleBindings, and what is to be said about that. */
export async function convertFiles(
  files: readonly string[],
  { page, output }: { readonly page: Page; readonly output: 'yaml' | 'json' },
): Promise<{ readonly ok: boolean; readonly manifests: string; readonly report: string }> {
  const documents = (await Promise.all(files.map(readManifests))).flat();
  const { objects, findings } = convert(documents);
  if (objects.length === 0 && findings.length === 0)
    throw new MeshError(
      'not-found',
      `nothing to convert in ${files.map(manifestName).join(', ')}; there is: ${KINDS}`,
    );
  const marks = { error: page.bad('error'), lost: page.caution('lost'), note: 'note' };
  const lines = findings.map(
    ({ object, path, severity, message }) => `${marks[severity]}: ${object}: ${path}: ${message}`,
  );
  const count = (severity: Finding['severity']): number =>
    findings.filter((one) => one.severity === severity).length;
  const errors = count('error');
  const summary = `${plural(objects.length / 2, 'binding')} with a role each, ${plural(errors, 'error')}, ${count('lost')} lost`;
  const manifests = output === 'json' ? toJson(objects) : toYaml(objects);
  return { ok: errors === 0, manifests, report: [...lines, summary].join('\n') };
}

const KINDS =
  'AuthorizationPolicy of Istio, Linkerd and GEP-3779, Server of Linkerd, XAccessPolicy of agentic.networking.x-k8s.io';

const head = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.object({ name: z.string().default(''), namespace: z.string().default('default') }),
});

interface Document {
  readonly title: string;
  readonly group: string;
  readonly kind: string;
  readonly object: unknown;
}

/** Converts what is known among documents; the others may be what it refers to. */
export function convert(documents: readonly unknown[]): Conversion {
  const all = documents.flatMap((object): Document[] => {
    const { success, data } = head.safeParse(object);
    if (!success) return [];
    const [group = ''] = data.apiVersion.split('/');
    return [
      {
        title: `${data.kind} ${data.metadata.namespace}/${data.metadata.name}`,
        group,
        kind: data.kind,
        object,
      },
    ];
  });
  const given: Given = {
    accessPolicies: parsedOf(all, 'agentic.networking.x-k8s.io', 'XAccessPolicy', accessPolicy),
    routes: ['policy.linkerd.io', 'gateway.networking.k8s.io'].flatMap((group) =>
      parsedOf(all, group, 'HTTPRoute', linkerdRoute),
    ),
    servers: parsedOf(all, 'policy.linkerd.io', 'Server', linkerdServer),
    meshTls: parsedOf(all, 'policy.linkerd.io', 'MeshTLSAuthentication', meshTls),
    networks: parsedOf(all, 'policy.linkerd.io', 'NetworkAuthentication', network),
    services: all
      .filter(({ group, kind }) => group === 'v1' && kind === 'Service')
      .flatMap(({ object }) => serviceOf(object)),
  };
  return together(...all.map((document) => convertOne(document, given)));
}

function parsedOf<T>(
  all: readonly Document[],
  group: string,
  kind: string,
  schema: z.ZodType<T>,
): readonly T[] {
  return all
    .filter((one) => one.group === group && one.kind === kind)
    .flatMap(({ object }) => {
      const { success, data } = schema.safeParse(object);
      return success ? [data] : [];
    });
}

const service = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string().default('default') }),
  spec: z.object({
    selector: z.record(z.string(), z.string()).default({}),
    ports: z
      .array(z.object({ port: z.int(), targetPort: z.union([z.int(), z.string()]).optional() }))
      .default([]),
  }),
});

function serviceOf(object: unknown): ServiceShape[] {
  const { success, data } = service.safeParse(object);
  if (!success) return [];
  const ports = data.spec.ports.map(({ port, targetPort = port }) => ({ port, targetPort }));
  return [{ ...data.metadata, selector: data.spec.selector, ports }];
}

const NOTHING: Conversion = { objects: [], findings: [] };

interface Given extends LinkerdObjects {
  readonly accessPolicies: readonly AccessPolicy[];
}

function convertOne(document: Document, given: Given): Conversion {
  const { group, kind } = document;
  if (group === 'security.istio.io' && kind === 'AuthorizationPolicy')
    return ofIstio(document, given.services);
  if (group === 'policy.linkerd.io' && kind === 'AuthorizationPolicy') return ofLinkerd(document, given);
  if (group === 'policy.linkerd.io' && kind === 'Server') return ofServer(document, given);
  if (group.startsWith('gateway.networking.') && kind === 'AuthorizationPolicy')
    return ofGep(document, given.services);
  if (kind === 'XAccessPolicy') return ofAccessPolicy(document, given);
  return NOTHING;
}

/** Reads an object, or says what of it is not understood: then none of it is converted. */
function reading<T>(document: Document, schema: z.ZodType<T>, then: (object: T) => Conversion): Conversion {
  const { success, data, error } = schema.safeParse(document.object);
  if (success) return then(data);
  const findings = error.issues.map(({ path, message, ...issue }): Finding => {
    const unknown = 'keys' in issue && Array.isArray(issue.keys) ? ` (${issue.keys.join(', ')})` : '';
    return {
      object: document.title,
      path: path.join('.'),
      severity: 'error',
      message: `is not understood: ${message}${unknown}`,
    };
  });
  return { objects: [], findings };
}

type Parts = Pick<Grant, 'subjects' | 'rules'>;
type Granted = Pick<Grant, 'name' | 'namespace' | 'effect' | 'dryRun'>;

/** Makes the objects of each rule of a policy; `make` gets it with its place. Of several rules each has a name of its own. */
function eachRule<R>(
  document: Document,
  { name, ...granted }: Granted,
  rules: readonly R[],
  make: (rule: R, index: number) => Parts | undefined,
): readonly Conversion[] {
  return rules.map((rule, index) =>
    granting(document, { ...granted, name: rules.length === 1 ? name : `${name}-${index}` }, () =>
      make(rule, index),
    ),
  );
}

/** Makes the objects of one rule; what cannot be said is lost where it allows and an error where it denies. */
function granting(document: Document, grant: Granted, make: () => Parts | undefined): Conversion {
  try {
    const parts = make();
    return parts === undefined ? NOTHING : { objects: toObjects({ ...grant, ...parts }), findings: [] };
  } catch (thrown) {
    if (!(thrown instanceof Unsayable)) throw thrown;
    const lost = grant.effect === 'Allow';
    const consequence = lost
      ? 'the rule is left out, and allows nothing'
      : 'what denies cannot be left out, so nothing of this rule was written';
    return said(document, thrown.path, lost ? 'lost' : 'error', `${thrown.message}; ${consequence}`);
  }
}

/** Nothing is made, and this is said about it. */
function said(document: Document, path: string, severity: Finding['severity'], message: string): Conversion {
  return { objects: [], findings: [{ object: document.title, path, severity, message }] };
}

function together(...parts: readonly Conversion[]): Conversion {
  return {
    objects: parts.flatMap(({ objects }) => objects),
    findings: parts.flatMap(({ findings }) => findings),
  };
}

/** In Istio, Linkerd and GEP-3779 what allows somebody refuses everybody else; with us the default of the namespace does. */
function closing(document: Document, namespace: string, path: string): Conversion {
  const message = `what allows refuses everybody else there; here the default of the namespace does, for all of its pods: kubectl label namespace ${namespace} ${names.Label.defaultAccess}=DryRunDeny first, and Deny once nothing is counted any more`;
  return said(document, path, 'note', message);
}

function ofIstio(document: Document, services: readonly ServiceShape[]): Conversion {
  return reading(document, istioPolicy, (policy) => {
    const { metadata, spec } = policy;
    const { name, namespace, annotations } = metadata;
    if (spec.action === 'CUSTOM')
      return said(
        document,
        'spec.action',
        'error',
        'CUSTOM has no counterpart: nobody outside of the proxy is asked',
      );
    if (spec.action === 'AUDIT')
      return said(
        document,
        'spec.action',
        'lost',
        'AUDIT decides nothing; every refusal is counted and logged anyway',
      );
    const effect = spec.action === 'DENY' ? 'Deny' : 'Allow';
    if (namespace === 'istio-system') {
      const message =
        'a policy of the root namespace is about every namespace; copy it into each, and convert it there';
      return said(document, 'metadata.namespace', effect === 'Deny' ? 'error' : 'lost', message);
    }
    const rules = spec.rules ?? [];
    const dryRun = annotations['istio.io/dry-run'] === 'true';
    const parts = eachRule(document, { name, namespace, effect, dryRun }, rules, (rule, index) =>
      convertRule(rule, `spec.rules[${index}]`, istioTargets(policy, effect, services)),
    );
    const isSaid = effect === 'Allow' || parts.some(({ objects }) => objects.length > 0);
    return together(...parts, ...(dryRun || !isSaid ? [] : [effectsOfIstio(document, policy, effect)]));
  });
}

/** What a policy does there beside what its rules say. */
function effectsOfIstio(document: Document, policy: IstioPolicy, effect: Grant['effect']): Conversion {
  if (effect === 'Allow') return closing(document, policy.metadata.namespace, 'spec.action');
  const closesBytes = isWide(policy) && (policy.spec.rules ?? []).some(deniesBytesToo);
  return closesBytes ? said(document, 'spec.rules', 'note', BYTES) : NOTHING;
}

const BYTES =
  'a denial about requests that names no port closes there what carries bytes, too; here it closes a port that is declared as bytes if ports or services of the rule name it: add them where pods of the namespace have such ports';

function ofLinkerd(document: Document, given: LinkerdObjects): Conversion {
  return reading(document, linkerdPolicy, (policy) =>
    granting(document, { ...policy.metadata, effect: 'Allow', dryRun: false }, () =>
      convertLinkerdPolicy(policy, given),
    ),
  );
}

function ofServer(document: Document, given: LinkerdObjects): Conversion {
  return reading(document, linkerdServer, (server) => {
    const { namespace } = server.metadata;
    const { accessPolicy: byDefault } = server.spec;
    const parts = granting(document, { ...server.metadata, effect: 'Allow', dryRun: false }, () =>
      convertServer(server, given),
    );
    return byDefault === 'deny' || byDefault === 'audit'
      ? together(parts, closing(document, namespace, 'spec.accessPolicy'))
      : parts;
  });
}

function ofGep(document: Document, services: readonly ServiceShape[]): Conversion {
  return reading(document, gepPolicy, (policy) => {
    const { name, namespace } = policy.metadata;
    const rules = policy.spec.rules ?? [];
    const granted = { name, namespace, effect: 'Allow', dryRun: false } as const;
    const parts = eachRule(document, granted, rules, (_rule, index) =>
      convertGepRule(policy, index, services),
    );
    return together(...parts, closing(document, namespace, 'spec.action'));
  });
}

function ofAccessPolicy(document: Document, { accessPolicies, services }: Given): Conversion {
  return reading(document, accessPolicy, (policy) => {
    const { name, namespace } = policy.metadata;
    const { rules = [{}], action } = policy.spec;
    if (action !== 'Allow')
      return said(
        document,
        'spec.action',
        'error',
        `${action} has no counterpart among roles; put externalAuthorization into a TrafficPolicy first, or what another server refuses now is let in`,
      );
    const beside = accessPolicies.find(
      (other) =>
        other.spec.action === 'Allow' && !isDeepStrictEqual(other, policy) && sharesTarget(policy, other),
    );
    if (beside !== undefined)
      return said(
        document,
        'spec.targetRefs',
        'error',
        `XAccessPolicy ${beside.metadata.namespace}/${beside.metadata.name} has the same target: there both must allow a request, here one binding does; merge them into one`,
      );
    const granted = { name, namespace, effect: 'Allow', dryRun: false } as const;
    const parts = eachRule(document, granted, rules, (_rule, index) =>
      convertAccessRule(policy, index, services),
    );
    return together(...parts, closing(document, namespace, 'spec.action'));
  });
}
