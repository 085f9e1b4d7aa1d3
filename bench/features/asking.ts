import { type EnvoyExtras, HTTP_OPTIONS, type Json, TYPES } from '../envoy.js';
import { HELPER } from './helper.js';
import { type Stored, onServer } from './objects.js';

/** Longer than any answer takes on a busy machine, so that what is measured is asking. */
const TIMEOUT = '5s';
const DOMAIN = 'weft';
const KEY = { name: 'generic_key', value: 'bench' } as const;
const SERVICE = { name: HELPER.name, port: HELPER.grpc };

/** Envoy's connection to the helper. */
export const HELPER_CLUSTER: Json = {
  name: HELPER.name,
  type: 'STATIC',
  connect_timeout: '1s',
  load_assignment: {
    cluster_name: HELPER.name,
    endpoints: [
      {
        lb_endpoints: [
          {
            endpoint: {
              address: { socket_address: { address: HELPER.address, port_value: HELPER.grpc } },
            },
          },
        ],
      },
    ],
  },
  typed_extension_protocol_options: {
    [HTTP_OPTIONS]: {
      '@type': `type.googleapis.com/${HTTP_OPTIONS}`,
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};
export const HELPER_GRPC = { envoy_grpc: { cluster_name: HELPER.name } } as const;

/** The helper is asked about each request, as an object of Weft. */
export function checked(): Stored {
  return onServer({ externalAuthorization: { service: SERVICE, timeout: TIMEOUT } });
}

/** As Envoy's filter. */
export function extAuthz(): EnvoyExtras {
  const typed = {
    '@type': `${TYPES}.filters.http.ext_authz.v3.ExtAuthz`,
    transport_api_version: 'V3',
    grpc_service: { ...HELPER_GRPC, timeout: TIMEOUT },
  };
  return {
    filters: [{ name: 'envoy.filters.http.ext_authz', typed_config: typed }],
    clusters: [HELPER_CLUSTER],
  };
}

/** The helper counts each request by a constant and the caller's address, as an object of Weft. */
export function counted(): Stored {
  const limit = {
    name: 'shared',
    scope: 'Shared',
    service: { ...SERVICE, domain: DOMAIN },
    timeout: TIMEOUT,
    onFailure: 'Deny',
    key: [{ constant: KEY }, { caller: 'Address' }],
  };
  return onServer({ rateLimit: [limit] });
}

/** As Envoy's filter. */
export function rateLimitFilter(): EnvoyExtras {
  const typed = {
    '@type': `${TYPES}.filters.http.ratelimit.v3.RateLimit`,
    domain: DOMAIN,
    timeout: TIMEOUT,
    failure_mode_deny: true,
    rate_limit_service: { transport_api_version: 'V3', grpc_service: HELPER_GRPC },
  };
  const constant = { generic_key: { descriptor_key: KEY.name, descriptor_value: KEY.value } };
  return {
    filters: [{ name: 'envoy.filters.http.ratelimit', typed_config: typed }],
    route: { rate_limits: [{ actions: [constant, { remote_address: {} }] }] },
    clusters: [HELPER_CLUSTER],
  };
}
