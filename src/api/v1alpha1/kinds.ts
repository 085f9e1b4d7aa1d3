import type { Kind } from '../schema/kind.js';
import { externalService } from './external-service.js';
import { jwtIssuer } from './jwt-issuer.js';
import { meshConfig } from './mesh-config.js';
import { meshRole } from './mesh-role.js';
import { meshRoleBinding } from './mesh-role-binding.js';
import { meshTlsPolicy } from './mesh-tls-policy.js';
import { trafficPolicy } from './traffic-policy.js';

/** Every kind a user can type. */
export const KINDS: readonly Kind[] = [
  trafficPolicy,
  meshConfig,
  meshRole,
  meshRoleBinding,
  meshTlsPolicy,
  jwtIssuer,
  externalService,
];
