#!/usr/bin/env bash
# Writes all generated files, or with --check fails when one is not what its source makes of it.
set -euo pipefail
cd "$(dirname "$0")/../.."

(cd src/wire/proto && buf lint && buf generate)
npm run --silent generate
e2e/cluster/build.sh >/dev/null # helm, pinned
deploy/render.sh

if [[ "${1:-}" == --check ]]; then
  dirty=$(git status --porcelain -- src/wire charts deploy docs)
  [[ -z "$dirty" ]] || { printf 'not current, run make generate:\n%s\n' "$dirty"; git diff --stat; exit 1; }
fi
