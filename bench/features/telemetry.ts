import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { type EnvoyExtras, TYPES } from '../envoy.js';
import { NAMESPACE } from '../../e2e/scenarios/objects.js';
import { HELPER_CLUSTER, HELPER_GRPC } from './asking.js';
import { HELPER } from './helper.js';
import { type Stored, meshConfig } from './objects.js';

/** Percent of the traces. */
const SAMPLED = 1;
/** What nobody asks for while it is measured. */
export const UNASKED = '/nobody-asks-for-this';

/** What turns the access log on, as the webhook does for an annotation. */
export const ACCESS_LOG = { WEFT_ACCESS_LOG: 'enabled' } as const;

/** The same fields from Envoy: what Weft's receiver says of a request that it passed on. */
export function fileAccessLog(path: string): EnvoyExtras {
  const fields = {
    time: '%START_TIME%',
    direction: 'inbound',
    method: '%REQ(:METHOD)%',
    authority: '%REQ(:AUTHORITY)%',
    path: '%REQ(:PATH)%',
    status: '%RESPONSE_CODE%',
    bytes: '%BYTES_SENT%',
    duration_ms: '%DURATION%',
    destination: '%UPSTREAM_CLUSTER%',
    upstream: '%UPSTREAM_HOST%',
    peer: '%DOWNSTREAM_PEER_URI_SAN%',
    tls: '%DOWNSTREAM_TLS_VERSION%',
    attempts: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
  };
  const typed = {
    '@type': `${TYPES}.access_loggers.file.v3.FileAccessLog`,
    path,
    log_format: { json_format: fields },
  };
  return { manager: { access_log: [{ name: 'envoy.access_loggers.file', typed_config: typed }] } };
}

/** Traces of the mesh go to the helper. */
export function traced(): Stored {
  const service = { name: HELPER.name, namespace: NAMESPACE, port: HELPER.grpc };
  return meshConfig({ tracing: { collector: { service }, sampling: { percent: SAMPLED } } });
}

/** Envoy's tracer in either half. It samples by its request ids, so it needs them. */
export function openTelemetry(name: string): EnvoyExtras {
  const typed = {
    '@type': 'type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig',
    grpc_service: HELPER_GRPC,
    service_name: name,
  };
  const provider = { name: 'envoy.tracers.opentelemetry', typed_config: typed };
  return {
    manager: { generate_request_id: true, tracing: { provider, random_sampling: { value: SAMPLED } } },
    clusters: [HELPER_CLUSTER],
  };
}

/** Both at once. */
export function together(one: EnvoyExtras, other: EnvoyExtras): EnvoyExtras {
  return {
    manager: { ...one.manager, ...other.manager },
    clusters: [...(one.clusters ?? []), ...(other.clusters ?? [])],
  };
}

/** Envoy's tap: who matches is written to a file of its own, beginning with `prefix`. */
export function tapFilter(prefix: string): EnvoyExtras {
  const headers = [{ name: ':path', string_match: { exact: UNASKED } }];
  const typed = {
    '@type': `${TYPES}.filters.http.tap.v3.Tap`,
    common_config: {
      static_config: {
        match: { http_request_headers_match: { headers } },
        output_config: { sinks: [{ file_per_tap: { path_prefix: prefix } }] },
      },
    },
  };
  return { filters: [{ name: 'envoy.filters.http.tap', typed_config: typed }] };
}

/** Somebody who watches a proxy, as `weft tap` does. */
export interface Watcher {
  /** Requests that were shown. */
  shown(): number;
  leave(): void;
}

/** Watches the proxy whose files are in `directory` for a path that nobody asks for. */
export async function watch(directory: string): Promise<Watcher> {
  const socketPath = join(directory, 'state/admin.sock');
  const asked = request({ socketPath, method: 'POST', path: '/tap' });
  asked.on('error', () => undefined); // of leaving
  asked.end(JSON.stringify({ path: UNASKED, seconds: 600 }));
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  let text = '';
  answer.setEncoding('utf8').on('data', (part: string) => void (text += part));
  await once(answer, 'data');
  if (answer.statusCode !== 200) throw new Error(`the tap was answered ${answer.statusCode}: ${text}`);
  return {
    shown: () => text.split('\n').filter((line) => line.includes(UNASKED)).length,
    leave: () => asked.destroy(),
  };
}
