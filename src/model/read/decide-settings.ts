import type { AccessLog } from '../words/access-log.js';
import type { Problem } from '../words/problem.js';
import type { ReadMeshConfig } from './read-mesh-config.js';
import { type ConfigurableSettings, type SecuritySettings, stricter } from '../words/setting-words.js';
import type { MeshSettings } from '../words/settings.js';

/** What holds for the mesh, and what is wrong with what was asked for. */
export interface DecidedSettings {
  readonly settings: MeshSettings;
  readonly problems: readonly Problem[];
}

/**
 * What holds for the mesh. `installed` has the floor, which is what holds where nobody
 * ever said anything, but for mutual TLS: nothing makes the mesh less secure than that. `known` is what held
 * last. Silence lowers nothing: what a MeshConfig does not say about security, and all of it while there is no
 * MeshConfig, stays as it was last known. An object that cannot be read may make the mesh stricter, never more open.
 */
export function decideSettings(
  installed: MeshSettings,
  known: Partial<ConfigurableSettings>,
  config: ReadMeshConfig | undefined,
): DecidedSettings {
  const before = { ...installed, ...known };
  const wanted = wantedBy(config, installed, before);
  const floor = { ...installed, mtls: installed.mtlsMinimum, outbound: installed.outboundMinimum };
  const settings = { ...wanted, ...stricter(floor, wanted) };
  const problems = config?.problems ?? [];
  return { settings, problems: problems.length > 0 ? problems : belowMinimum(config?.said ?? {}, floor) };
}

/** Of a MeshConfig that nobody can read, and of which nothing is known from before: it may say that queries are removed. */
const REDACTED: AccessLog = {
  mode: 'off',
  removeQuery: true,
  format: 'json',
  omit: [],
  requestHeaders: [],
  silent: false,
};

function wantedBy(
  config: ReadMeshConfig | undefined,
  installed: MeshSettings,
  before: MeshSettings,
): MeshSettings {
  const { mtls, outbound, access } = before;
  if (config === undefined) return { ...installed, mtls, outbound, access };
  if (config.problems.length === 0) return { ...installed, mtls, outbound, access, ...config.said };
  return { ...before, accessLog: before.accessLog ?? REDACTED, ...stricter(before, config.said) };
}

/** Where users write the settings, and the chart's values that bound them. */
const BOUNDED = [
  { setting: 'mtls', field: 'spec.mtls.mode', value: 'mtls.minimum' },
  { setting: 'outbound', field: 'spec.outbound.policy', value: 'outbound.minimum' },
  { setting: 'access', field: 'spec.access.default', value: 'access.minimum' },
] as const;

function belowMinimum(said: Partial<SecuritySettings>, floor: SecuritySettings): readonly Problem[] {
  const raised = stricter(floor, said);
  return BOUNDED.filter(
    ({ setting }) => said[setting] !== undefined && said[setting] !== raised[setting],
  ).map(({ field, value }) => ({
    condition: 'Accepted',
    reason: 'BelowMinimum',
    field,
    message: `is less strict than the installation allows, so the minimum stays in force; raise it to the chart value ${value}, or lower that value`,
  }));
}
