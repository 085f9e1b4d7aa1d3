import { type ServiceKey, serviceKey } from './keys.js';
import type { PolicyRef } from './policy.js';
import type { Problem } from './problem.js';
import type { Session } from './session.js';

/** An XBackend: pods of its namespace that routes send to as they do to those of a Service. Read from its object. */
export interface XBackend {
  readonly ref: PolicyRef & { readonly kind: 'XBackend' };
  /** Pods that have all of these labels. */
  readonly labels: Readonly<Record<string, string>>;
  /** Of the pods. */
  readonly port: number;
  /** How sessions with the pods are kept; absent: they are not. */
  readonly session?: Session;
  /** What the object shows by itself; with any nothing is sent there. */
  readonly problems: readonly Problem[];
}

/** What an XBackend is called among Services; no Service can have such a name. */
export function xBackendName(name: string): string {
  return `XBackend:${name}`;
}

/** As `serviceKey`, for an XBackend. */
export function xBackendKey({ namespace, name }: Pick<PolicyRef, 'namespace' | 'name'>): ServiceKey {
  return serviceKey(namespace, xBackendName(name));
}

export function isXBackendKey(key: ServiceKey): boolean {
  return key.includes('/XBackend:');
}
