import { type MeshConfig, meshConfig, violations } from '../../api/index.js';
import type { Problem } from '../words/problem.js';
import {
  ACCESS_DEFAULTS,
  type ConfigurableSettings,
  type SecuritySettings,
  MTLS_MODES,
  OUTBOUND_POLICIES,
  certain,
} from '../words/setting-words.js';
import { translateAccessLog } from './to-access-log.js';
import { translateCollector } from './to-collector.js';
import { translatePortion } from './to-portion.js';

/** A MeshConfig as this version understands it. */
export interface ReadMeshConfig {
  /** What it says; what it leaves out is absent. Of an object with problems: what is certain. */
  readonly said: Partial<ConfigurableSettings>;
  /** Why it cannot be honoured as it is written; empty: it can. */
  readonly problems: readonly Problem[];
}

/**
 * Reads a MeshConfig. One that this version does not understand as a whole, such as one with a field of a newer version,
 * still says what is certain about security: a word that is not known counts as the strictest.
 */
export function readMeshConfig(object: unknown): ReadMeshConfig {
  const problems = violations(meshConfig, object).map(({ path, message }): Problem => ({
    condition: 'Accepted',
    reason: 'Invalid',
    field: path,
    message,
  }));
  const { success, data } = meshConfig.schema.safeParse(object);
  if (!success || problems.length > 0) return { said: fragment(object), problems };
  return { said: translate(data.spec), problems };
}

/** What a MeshConfig says, in the words of the model. */
function translate(spec: MeshConfig['spec']): Partial<ConfigurableSettings> {
  return {
    ...translateSecurity(spec),
    ...translateForwarding(spec),
    ...translateTracing(spec),
    ...(spec.accessLog === undefined ? {} : { accessLog: translateAccessLog(spec.accessLog) }),
  };
}

function translateSecurity({ mtls, outbound, access }: MeshConfig['spec']): Partial<SecuritySettings> {
  return {
    ...(mtls?.mode === undefined ? {} : { mtls: MTLS_MODES[mtls.mode] }),
    ...(outbound?.policy === undefined ? {} : { outbound: OUTBOUND_POLICIES[outbound.policy] }),
    ...(access?.default === undefined ? {} : { access: ACCESS_DEFAULTS[access.default] }),
  };
}

function translateForwarding({ forwarding }: MeshConfig['spec']): Partial<ConfigurableSettings> {
  return {
    ...(forwarding?.via === undefined ? {} : { via: forwarding.via }),
    ...(forwarding?.forwarded === undefined ? {} : { forwarded: forwarding.forwarded }),
  };
}

function translateTracing({ tracing }: MeshConfig['spec']): Partial<ConfigurableSettings> {
  if (tracing === undefined) return {};
  const sampling = translatePortion(tracing.sampling);
  return { tracing: { ...translateCollector(tracing.collector), sampling } };
}

function fragment(object: unknown): Partial<ConfigurableSettings> {
  const spec = fieldOf(object, 'spec');
  return {
    ...certain('mtls', fieldOf(fieldOf(spec, 'mtls'), 'mode')),
    ...certain('outbound', fieldOf(fieldOf(spec, 'outbound'), 'policy')),
    ...certain('access', fieldOf(fieldOf(spec, 'access'), 'default')),
  };
}

/** A field of whatever was sent. */
export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}
