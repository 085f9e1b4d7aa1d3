#!/usr/bin/env bash
# Writes all generated files, or with --check fails when one is not what its source makes of it.
set -euo pipefail
cd "$(dirname "$0")/../.."

# What is generated, byte by byte, and what must not be found beside it.
state() { git ls-files -z --cached --others --exclude-standard -- src/wire charts deploy docs | xargs -0 sha256sum; }

before=$(state)
(cd src/wire/proto && buf lint && buf generate)
npm run --silent generate
e2e/cluster/build.sh clients >/dev/null # helm, pinned
deploy/render.sh

if [[ "${1:-}" == --check ]]; then
  difference=$(diff <(echo "$before") <(state)) || {
    printf 'not current, and written anew just now:\n%s\n' "$(awk '/^[<>]/ { print $3 }' <<<"$difference" | sort -u)"
    exit 1
  }
fi
