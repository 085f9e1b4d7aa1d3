#!/usr/bin/env bash
# Guess: OpenTelemetry's SDKs treat the second flag of `traceparent` alike, the one of W3C Trace Context, level 2, which says that
#   the trace id is random and must be handed on: all know it, or none does.
# Seen: the SDK for Python 1.45.2 sets it where a trace begins and keeps it for child spans. The one for JavaScript 2.12.1 sets it
#   nowhere, and its child spans lose the flag that a request came with; a propagator without a span of the SDK hands it on.
# So: who samples by the randomness of the trace id (`tracestate: ot=th:...`) cannot tell by the flag whether it may, as soon as
#   one application on the way is written in JavaScript.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/core@2.12.1 @opentelemetry/sdk-trace-base@2.12.1
cat >flags.mjs <<'JS'
import { ROOT_CONTEXT, defaultTextMapGetter, defaultTextMapSetter, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
const propagator = new W3CTraceContextPropagator();
const tracer = new BasicTracerProvider().getTracer('flags');
const flags = (context) => {
  const headers = {};
  propagator.inject(context, headers, defaultTextMapSetter);
  return headers.traceparent.slice(-2);
};
const child = (context) => flags(trace.setSpan(context, tracer.startSpan('child', {}, context)));
console.log(`JavaScript, a trace begins: ${child(ROOT_CONTEXT)}`);
const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-03`;
const context = propagator.extract(ROOT_CONTEXT, { traceparent }, defaultTextMapGetter);
console.log(`JavaScript, came with 03: handed on ${flags(context)}, of a child span ${child(context)}`);
JS
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check opentelemetry-sdk==1.45.2
cat >flags.py <<'PY'
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

propagator = TraceContextTextMapPropagator()
tracer = TracerProvider().get_tracer("flags")

def flags(context):
    headers = {}
    propagator.inject(headers, context)
    return headers["traceparent"][-2:]

def child(context=None):
    return flags(trace.set_span_in_context(tracer.start_span("child", context=context), context))

print(f"Python, a trace begins: {child()}")
context = propagator.extract({"traceparent": f"00-{'a' * 32}-{'b' * 16}-03"})
print(f"Python, came with 03: handed on {flags(context)}, of a child span {child(context)}")
PY
{
  node flags.mjs
  venv/bin/python flags.py
} | tee seen
diff - seen <<'SEEN'
JavaScript, a trace begins: 01
JavaScript, came with 03: handed on 03, of a child span 01
Python, a trace begins: 03
Python, came with 03: handed on 03, of a child span 03
SEEN
echo 'as described above'
