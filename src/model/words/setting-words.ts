import type { AccessDefault } from './access.js';
import type { MeshSettings, MtlsMode, OutboundPolicy } from './settings.js';

/** The settings that a MeshConfig may decide. */
export type ConfigurableSettings = Pick<
  MeshSettings,
  'mtls' | 'outbound' | 'access' | 'via' | 'forwarded' | 'tracing' | 'accessLog'
>;

/** What secures the mesh: each of these has an order, and silence never lowers it. */
export type SecuritySettings = Pick<MeshSettings, 'mtls' | 'outbound' | 'access'>;

/** Security settings as users write them, from the most open to the strictest. */
export const MTLS_MODES = {
  Disabled: 'disabled',
  Permissive: 'permissive',
  Strict: 'strict',
} as const satisfies Words<MtlsMode>;
export const OUTBOUND_POLICIES = {
  AllowAny: 'allowAny',
  DryRunRegistryOnly: 'dryRun',
  RegistryOnly: 'registryOnly',
} as const satisfies Words<OutboundPolicy>;

export const ACCESS_DEFAULTS = {
  Allow: 'allow',
  DryRunDeny: 'wouldDeny',
  Deny: 'deny',
} as const satisfies Words<AccessDefault>;

type Words<T extends string> = Readonly<Record<string, T>>;

/** What a user's word means; one that this version does not know was not written to open anything. */
export function certain(setting: keyof SecuritySettings, value: unknown): Partial<SecuritySettings> {
  if (value === undefined) return {};
  switch (setting) {
    case 'mtls':
      return { mtls: meaning<MtlsMode>(MTLS_MODES, value) ?? 'strict' };
    case 'outbound':
      return { outbound: outboundInWord(value) };
    case 'access':
      return { access: meaning<AccessDefault>(ACCESS_DEFAULTS, value) ?? 'deny' };
  }
}

/** How a user writes these settings. */
export function inUserWords({ mtls, outbound, access }: SecuritySettings): {
  readonly mtls: string;
  readonly outbound: string;
  readonly access: string;
} {
  return {
    mtls: wordFor(MTLS_MODES, mtls),
    outbound: wordFor(OUTBOUND_POLICIES, outbound),
    access: wordFor(ACCESS_DEFAULTS, access),
  };
}

/** Of each setting the stricter. */
export function stricter(a: SecuritySettings, b: Partial<SecuritySettings>): SecuritySettings {
  return {
    mtls: stricterMtls(a.mtls, b.mtls),
    outbound: stricterOutbound(a.outbound, b.outbound),
    access: stricterAccess(a.access, b.access),
  };
}

/** Settings of an installation that demands these minimums, in words of users; one that is not known counts as the strictest. */
export function atLeast(
  settings: MeshSettings,
  minimum: { readonly [S in keyof SecuritySettings]?: string | undefined },
): MeshSettings {
  const floor: SecuritySettings = {
    ...settings,
    mtls: settings.mtlsMinimum,
    outbound: settings.outboundMinimum,
    ...certain('mtls', minimum.mtls),
    ...certain('outbound', minimum.outbound),
    ...certain('access', minimum.access),
  };
  return {
    ...settings,
    ...stricter(settings, floor),
    mtlsMinimum: floor.mtls,
    outboundMinimum: floor.outbound,
  };
}

export function stricterMtls(a: MtlsMode, b: MtlsMode | undefined): MtlsMode {
  return later<MtlsMode>(MTLS_MODES, a, b);
}

export function stricterOutbound(a: OutboundPolicy, b: OutboundPolicy | undefined): OutboundPolicy {
  return later<OutboundPolicy>(OUTBOUND_POLICIES, a, b);
}

/** What a user's word for it means; one that this version does not know was not written to open anything. */
export function outboundInWord(word: unknown): OutboundPolicy {
  return meaning<OutboundPolicy>(OUTBOUND_POLICIES, word) ?? 'registryOnly';
}

export function stricterAccess(a: AccessDefault, b: AccessDefault | undefined): AccessDefault {
  return later<AccessDefault>(ACCESS_DEFAULTS, a, b);
}

function meaning<T extends string>(words: Words<T>, value: unknown): T | undefined {
  return Object.entries(words).find(([word]) => word === value)?.[1];
}

function wordFor<T extends string>(words: Words<T>, value: T): string {
  return Object.entries(words).find(([, means]) => means === value)?.[0] ?? value;
}

function later<T extends string>(words: Words<T>, a: T, b: T | undefined): T {
  const order = Object.values(words);
  return b === undefined || order.indexOf(a) >= order.indexOf(b) ? a : b;
}
