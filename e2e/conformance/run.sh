#!/usr/bin/env bash
# `make conformance`: the official Gateway API suite, unmodified and strict, on the local cluster.
# Ends with `conformance: N of 23 met` and fails when one is missed.
#
# usage: run.sh [FOLDER]; report.yaml and tests.md go there, by default docs/conformance/LINE
#        WEFT_GATEWAY_API=1.6 run.sh takes another line of the Gateway API than the default
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=../cluster/lib/progress.sh
source e2e/cluster/lib/progress.sh
# shellcheck source=line.sh
source e2e/conformance/line.sh

output=${1:-docs/conformance/$GATEWAY_API_LINE}
mkdir -p "$output"
cache=$CONFORMANCE_CACHE
NAMESPACES=(namespace/gateway-conformance-mesh namespace/gateway-conformance-mesh-consumer)

run_suite() {
  local version
  version=$(node -p 'require("./package.json").version')
  # Twelve in a row: with the suite's three, two pods behind a Service pass some tests by luck.
  "$cache/suite" -test.v=test2json -test.timeout 30m -test.run '^TestConformance$' \
    -conformance-options-file e2e/conformance/options.yaml \
    -timeout-config-overrides RequiredConsecutiveSuccesses:12 \
    -version "$version" -report-output "$output/report.yaml" 2>&1 |
    "$cache/test2json" -t | tee "$cache/events.json"
}

e2e/suite/prepare.sh
e2e/conformance/build.sh
# shellcheck source=../cluster/env.sh
source e2e/cluster/env.sh
step 'echo image loaded' e2e/cluster/load-image.sh "$cache/echo.tar"
step 'Weft installed' e2e/suite/ts.sh e2e/suite/install-weft.ts
step 'CRDs installed' e2e/conformance/install-crds.sh
# Those of a run before are still ending.
kubectl delete --ignore-not-found --wait "${NAMESPACES[@]}"
run_suite | e2e/suite/ts.sh e2e/conformance/tally.ts "$output/tests.md" "$MESH_TESTS"
