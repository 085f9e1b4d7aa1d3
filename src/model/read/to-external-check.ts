import { type TrafficPolicy, durationMs } from '../../api/index.js';
import type { Exemption, ExternalCheck } from '../words/external-check.js';
import type { Policy, PolicyRef, PolicyTarget } from '../words/policy.js';
import { serviceKey } from '../words/keys.js';
import { fieldOf } from './read-mesh-config.js';

type ApiCheck = NonNullable<TrafficPolicy['spec']['externalAuthorization']>;
type ApiExemption = NonNullable<ApiCheck['exempt']>[number];

/** The check of a policy of `namespace` with its defaults, where it has one. */
export function translateExternalCheck(
  check: ApiCheck | undefined,
  namespace: string,
): { readonly externalCheck?: ExternalCheck } {
  if (check === undefined) return {};
  const { service, timeout, onFailure, allowedHeaders = [], exempt = [], mode, body } = check;
  return {
    externalCheck: {
      service: {
        namespace: service.namespace ?? namespace,
        name: service.name,
        port: service.port,
        from: { group: 'weft.dev', kind: 'TrafficPolicy', namespace },
      },
      // The schema has refused what is not a duration.
      timeoutMs: durationMs(timeout ?? '500ms') ?? 500,
      onFailure: onFailure === 'Allow' ? 'allow' : 'deny',
      allowedHeaders: namesOf(allowedHeaders),
      ...translateHttp(check),
      ...(body === undefined
        ? {}
        : {
            body: {
              maxBytes: body.maxBytes,
              onTooLong: body.onTooLong === 'SendPartial' ? 'sendPartial' : 'deny',
            },
          }),
      exempt: exempt.map(translateExemption),
      dryRun: mode === 'DryRun',
    },
  };
}

function translateHttp({ protocol, http = {} }: ApiCheck): Pick<ExternalCheck, 'http'> {
  if (protocol !== 'HTTP') return {};
  const { path = '', allowedResponseHeaders = [], allowedClientHeaders = [] } = http;
  return {
    http: {
      prefix: path.replace(/\/$/, ''),
      toApplication: namesOf(allowedResponseHeaders),
      toCaller: namesOf(allowedClientHeaders),
    },
  };
}

/** Each name once, in lower case. */
function namesOf(headers: readonly string[]): readonly string[] {
  return [...new Set(headers.map((name) => name.toLowerCase()))];
}

function translateExemption({ method, exact, prefix }: ApiExemption): Exemption {
  return {
    ...(method === undefined ? {} : { method }),
    path: exact === undefined ? { kind: 'prefix', value: prefix ?? '/' } : { kind: 'exact', value: exact },
  };
}

/**
 * What stands for a TrafficPolicy that this version cannot read, and of which it knows no earlier form. One that asks for a
 * check refuses every request it may be about: what closes must not open because it is not understood. All else that such a
 * policy says opens nothing and is left out.
 */
export function unreadPolicy(object: unknown, ref: PolicyRef): Policy | undefined {
  const spec = fieldOf(object, 'spec');
  if (fieldOf(spec, 'externalAuthorization') === undefined) return undefined;
  const externalCheck: ExternalCheck = {
    timeoutMs: 1,
    onFailure: 'deny',
    allowedHeaders: [],
    exempt: [],
    dryRun: false,
  };
  const given = fieldOf(spec, 'targetRefs');
  const refs: readonly unknown[] = Array.isArray(given) ? given : [];
  const readable = refs.map((target, index) => ownService(target, ref.namespace, index));
  const targets = readable.filter((target) => target !== undefined);
  const everyService = { everyServiceOf: ref.namespace, field: 'spec.targetRefs' };
  return {
    ref,
    targets: targets.length > 0 && targets.length === refs.length ? targets : [...targets, everyService],
    routes: [],
    loadBalancer: { algorithm: 'peakEwma' },
    externalCheck,
  };
}

/** A target that names a Service of the policy's own namespace and a port or none, in words that are known. */
function ownService(target: unknown, own: string, index: number): PolicyTarget | undefined {
  const [name, port] = [fieldOf(target, 'name'), fieldOf(target, 'port')];
  if (fieldOf(target, 'kind') !== 'Service' || typeof name !== 'string') return undefined;
  if ((fieldOf(target, 'namespace') ?? own) !== own) return undefined;
  const place = { service: serviceKey(own, name), field: `spec.targetRefs[${index}]` };
  return typeof port === 'number' ? { ...place, port } : place;
}
