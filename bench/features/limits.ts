import { type EnvoyExtras, type Json, TYPES } from '../envoy.js';
import { type Stored, onServer } from './objects.js';

/** More than any proxy here carries in a second. */
const MANY = 1_000_000;
/** So much of a day's limit is a key's own that nobody is refused, and no key is forgotten because it has used nothing. */
const EACH = 1000;
/** Keys that a pod of Weft tells apart, and so many are Envoy's. */
export const KEYS = 32_768;
/** What Weft says that they take at most, in MB. */
export const KEYS_MEGABYTES = 0.524_288;
export const KEY_HEADER = 'x-user-id';

/** A limit that no load reaches, as an object of Weft. */
export function limited(): Stored {
  return onServer({ rateLimit: [{ name: 'all', requests: MANY, per: '1s', scope: 'Pod' }] });
}

/** As Envoy's filter, with the same headers in each response. */
export function localLimit(): EnvoyExtras {
  return { filters: [localRateLimit({ token_bucket: bucket(MANY, '1s') })] };
}

/** A limit for each value of a header, as an object of Weft. */
export function limitedByKey(): Stored {
  const key = [{ header: KEY_HEADER }];
  return onServer({ rateLimit: [{ name: 'user', requests: EACH, per: '24h', scope: 'Pod', key }] });
}

/** As Envoy's filter, with as many buckets as Weft has. */
export function localLimitByKey(): EnvoyExtras {
  const descriptor = { entries: [{ key: 'user' }], token_bucket: bucket(EACH, '86400s') };
  const action = { request_headers: { header_name: KEY_HEADER, descriptor_key: 'user' } };
  return {
    filters: [
      localRateLimit({
        token_bucket: bucket(MANY, '1s'),
        descriptors: [descriptor],
        rate_limits: [{ actions: [action] }],
        max_dynamic_descriptors: KEYS,
      }),
    ],
  };
}

function bucket(tokens: number, interval: string): Json {
  return { max_tokens: tokens, tokens_per_fill: tokens, fill_interval: interval };
}

function localRateLimit(fields: Json): Json {
  const always = { default_value: { numerator: 100, denominator: 'HUNDRED' } };
  const typed = {
    '@type': `${TYPES}.filters.http.local_ratelimit.v3.LocalRateLimit`,
    stat_prefix: 'limit',
    filter_enabled: always,
    filter_enforced: always,
    enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
    ...fields,
  };
  return { name: 'envoy.filters.http.local_ratelimit', typed_config: typed };
}

/** A script of wrk: each request has a key that no other has had, in this run of wrk or one before. */
export function keysScript(): string {
  return `local count = os.time() % 100000 * 10000000
request = function()
  count = count + 1
  return wrk.format(nil, nil, { ["${KEY_HEADER}"] = string.format("user-%d", count) })
end
`;
}
