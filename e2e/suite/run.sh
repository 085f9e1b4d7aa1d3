#!/usr/bin/env bash
# Runs the named stages (check, unit, e2e), a step at a time, and ends with `test: N of M met`.
# A step counts the tests it reports, or itself where it reports none. Logs stay in ~/.cache/weft/logs.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

logs="$HOME/.cache/weft/logs"
mkdir -p "$logs"
met=0
missed=0
failed_steps=()
tried_again=()

# tally LOG: prints "passed failed" as the runners in the log counted them (jest, cargo test, the Gateway API suite, scenarios, hostile rows).
tally() {
  sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
    /^test result:/ { passed += $4; failed += $6 }
    /^conformance: [0-9]+ of [0-9]+ met$/ { passed += $2; failed += $4 - $2 }
    /^Tests:/ {
      for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) passed += $(i-1); if ($i ~ /^failed/) failed += $(i-1) }
    }
    /^bench control plane: [0-9]+ of [0-9]+ met$/ { passed += $4; failed += $6 - $4 }
    /^scenarios: [0-9]+ of [0-9]+ met$/ { passed += $2; failed += $4 - $2 }
    /^passed the second time: [0-9]+$/ { failed -= $5 }
    /^hostile: [0-9]+ of [0-9]+ held$/ { passed += $2; failed += $4 - $2 }
    END { print passed + 0, failed + 0 }'
}

# step NAME COMMAND...: runs it, counts it, and shows the end of its log where it failed.
step() {
  local name=$1 log start passed failed status=0
  shift
  log="$logs/${name//[^a-z0-9]/-}.log"
  start=$SECONDS
  printf '%-34s' "$name"
  "$@" >"$log" 2>&1 </dev/null || status=$?
  read -r passed failed < <(tally "$log")
  if ((status != 0)); then
    ((failed > 0)) || failed=1
    failed_steps+=("$name")
  elif ((passed == 0)); then
    passed=1
  fi
  mapfile -t -O "${#tried_again[@]}" tried_again < <(sed -n 's/\x1b\[[0-9;]*m//g; s/^ *LOGGING RETRY ERRORS *//p' "$log")
  met=$((met + passed))
  missed=$((missed + failed))
  printf '%4d passed %3d failed  %4d s\n' "$passed" "$failed" $((SECONDS - start))
  if ((status != 0)); then
    echo "---- $name: the last lines of $log"
    tail -n "${WEFT_LOG_LINES:-60}" "$log"
    echo "----"
  fi
  return 0
}

stage_check() {
  step 'format: typescript' prettier --check --log-level warn .
  step 'format: rust' cargo fmt --check
  step 'format: go' bash -c '[[ -z "$(gofmt -l e2e bench)" ]] || { gofmt -l e2e bench; exit 1; }'
  step 'types: typescript' tsc
  step 'lint: typescript' eslint --max-warnings 0 src e2e bench
  step 'lint: rust' cargo clippy --quiet --workspace --all-targets -- -D warnings
  step 'lint: shell' e2e/suite/lint-shell.sh
  step 'generated files are current' e2e/suite/generate.sh --check
}

stage_unit() {
  step 'unit: control plane' npm run --silent test:unit
  step 'unit: proxy, namespaces' bash -c 'e2e/netns/packages.sh && WEFT_FUZZ_SECONDS=30 e2e/suite/cargo-test.sh'
  # The tests have built this proxy. What is left out takes a quiet machine to be judged.
  local -x WEFT_PROXY=${CARGO_TARGET_DIR:-target}/debug/weft-proxy
  step 'unit: control plane with its front' npm run --silent test:unit -- src/proxies/front src/xds/control-plane
  step 'hostile: what a pod may try' e2e/suite/ts.sh e2e/hostile/main.ts --seconds 1
  step 'scenarios: a short run of each' e2e/scenarios/run.sh --short --only failing-replica,storm,deadline
}

stage_e2e() {
  step 'image' e2e/image/build.sh
  step 'image: bill of materials' e2e/supply/sbom.sh
  step 'instructions of a request' bench/run.sh --guard
  step 'cluster: up' e2e/cluster/up.sh
  step 'bench: control plane, small' bench/control-plane/run.sh --smoke
  step 'demo' e2e/demo/run.sh
  step 'demo: a second time' e2e/demo/run.sh
  step 'cluster: tests' npm run --silent test:e2e
  step 'cluster: gateway api conformance' e2e/conformance/run.sh "$logs/conformance"
  step 'cluster: kind config parses' e2e/cluster/check-kind-config.sh
}

for stage in "$@"; do
  "stage_$stage"
done
((${#tried_again[@]} == 0)) || printf 'tried a second time, to be mended: %s\n' "${tried_again[@]}"
((${#failed_steps[@]} == 0)) || printf 'failed: %s\n' "${failed_steps[@]}"
echo "test: $met of $((met + missed)) met"
((missed == 0))
