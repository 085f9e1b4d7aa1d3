import { type MeshTLSPolicy, meshTlsPolicy, violations } from '../../api/index.js';
import type { PolicyRef } from '../words/policy.js';
import type { Problem } from '../words/problem.js';
import { MTLS_MODES } from '../words/setting-words.js';
import type { TlsPolicy } from '../words/tls-policy.js';
import { fieldOf } from './read-mesh-config.js';

/** What became of a MeshTLSPolicy object. */
export interface ReadTlsPolicy {
  /** Absent when it cannot act. */
  readonly policy?: TlsPolicy;
  readonly problems: readonly Problem[];
}

/** Reads a MeshTLSPolicy as the API server stores it. */
export function toTlsPolicy(object: unknown): ReadTlsPolicy {
  const problems = violations(meshTlsPolicy, object).map(({ path, message }): Problem => ({
    condition: 'Accepted',
    reason: 'Invalid',
    field: path,
    message,
  }));
  const { success, data } = meshTlsPolicy.schema.safeParse(object);
  if (!success || problems.length > 0) return { problems };
  const { selector, mode, ports = [] } = data.spec;
  return {
    policy: {
      ref: refOf(data.metadata),
      ...(selector === undefined ? {} : { selector: selector.matchLabels }),
      ...(mode === undefined ? {} : { mode: MTLS_MODES[mode] }),
      ports: ports.map((one) => ({ port: one.port, mode: MTLS_MODES[one.mode] })),
    },
    problems: [],
  };
}

/**
 * What stands for a policy that this version cannot read, and of which it knows no earlier form. One that asks for Strict anywhere, or
 * in a word that is not known, closes all that it may be about: what closes must not open because it is not understood.
 * One that only opens opens nothing.
 */
export function unreadTlsPolicy(object: unknown, ref: PolicyRef): TlsPolicy | undefined {
  const spec = fieldOf(object, 'spec');
  const ports = fieldOf(spec, 'ports');
  const modes = [
    fieldOf(spec, 'mode'),
    ...(Array.isArray(ports) ? ports.map((one: unknown) => fieldOf(one, 'mode')) : [ports]),
  ];
  const opens = modes.every((mode) => mode === undefined || mode === 'Permissive' || mode === 'Disabled');
  if (opens) return undefined;
  const selector = podLabels(fieldOf(spec, 'selector'));
  return { ref, ...(selector === undefined ? {} : { selector }), mode: 'strict', ports: [] };
}

/** The labels of a selector that says nothing else; undefined stands for every pod. */
function podLabels(selector: unknown): Readonly<Record<string, string>> | undefined {
  const labels = fieldOf(selector, 'matchLabels');
  if (typeof labels !== 'object' || labels === null || Object.keys(selector ?? {}).length !== 1)
    return undefined;
  const entries = Object.entries(labels);
  const isReadable = entries.every((entry): entry is [string, string] => typeof entry[1] === 'string');
  return isReadable && entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

function refOf(metadata: MeshTLSPolicy['metadata']): PolicyRef {
  const { namespace = 'default', name, uid = '', generation = 0, creationTimestamp = '' } = metadata;
  return { kind: 'MeshTLSPolicy', namespace, name, uid, generation, creationTimestamp };
}
