#!/usr/bin/env bash
# Guess: where a request carries `traceparent` and B3 headers, an application whose OpenTelemetry SDK knows both (such as
#   OTEL_PROPAGATORS=tracecontext,b3) goes on with the one that its list names first, or with W3C's, which is the standard.
# Seen: with OpenTelemetry for JavaScript (core 2.12.1) and for Python (1.45.2) it is the one named last: each propagator
#   reads the headers and overwrites what those before it have found. A `traceparent` that is broken falls back to B3, whichever is last.
# So: a mesh that hands on one pair of headers and renews the other splits the trace for half of the applications. Both must be
#   renewed, or the other one removed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/core@2.12.1 @opentelemetry/propagator-b3@2.12.0
cat >both.mjs <<'JS'
import { ROOT_CONTEXT, defaultTextMapGetter, trace } from '@opentelemetry/api';
import { CompositePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { B3Propagator } from '@opentelemetry/propagator-b3';
const known = { tracecontext: new W3CTraceContextPropagator(), b3: new B3Propagator() };
const b3 = `${'b'.repeat(32)}-${'b'.repeat(16)}-1`;
for (const list of ['tracecontext,b3', 'b3,tracecontext']) {
  const propagator = new CompositePropagator({ propagators: list.split(',').map((name) => known[name]) });
  for (const traceparent of [`00-${'a'.repeat(32)}-${'a'.repeat(16)}-01`, 'broken']) {
    const found = trace.getSpanContext(propagator.extract(ROOT_CONTEXT, { traceparent, b3 }, defaultTextMapGetter));
    console.log(`JavaScript, ${list}, traceparent ${traceparent.slice(0, 6)}: ${found?.traceId.slice(0, 4)}`);
  }
}
JS
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check opentelemetry-sdk==1.45.2 opentelemetry-propagator-b3==1.45.1
cat >both.py <<'PY'
from opentelemetry import trace
from opentelemetry.propagators.b3 import B3SingleFormat
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

known = {"tracecontext": TraceContextTextMapPropagator(), "b3": B3SingleFormat()}
b3 = f"{'b' * 32}-{'b' * 16}-1"
for names in ("tracecontext,b3", "b3,tracecontext"):
    propagator = CompositePropagator([known[name] for name in names.split(",")])
    for traceparent in (f"00-{'a' * 32}-{'a' * 16}-01", "broken"):
        context = propagator.extract({"traceparent": traceparent, "b3": b3})
        found = trace.get_current_span(context).get_span_context()
        print(f"Python, {names}, traceparent {traceparent[:6]}: {found.trace_id:032x}"[:-28])
PY
{
  node both.mjs
  venv/bin/python both.py
} | tee seen
diff - seen <<'SEEN'
JavaScript, tracecontext,b3, traceparent 00-aaa: bbbb
JavaScript, tracecontext,b3, traceparent broken: bbbb
JavaScript, b3,tracecontext, traceparent 00-aaa: aaaa
JavaScript, b3,tracecontext, traceparent broken: bbbb
Python, tracecontext,b3, traceparent 00-aaa: bbbb
Python, tracecontext,b3, traceparent broken: bbbb
Python, b3,tracecontext, traceparent 00-aaa: aaaa
Python, b3,tracecontext, traceparent broken: bbbb
SEEN
echo 'as described above'
