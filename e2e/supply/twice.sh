#!/usr/bin/env bash
# Builds the committed state twice, each time from nothing and in a folder of another name, and fails where the two images
# do not have one digest. About 15 minutes on two cores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=../image/engine.sh
source e2e/image/engine.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
digests=()
for name in one another; do
  checkout=$work/$name/weft
  git clone --quiet --shared . "$checkout"
  (cd "$checkout" && npm ci --no-audit --no-fund >"$work/$name/npm.log")
  XDG_CACHE_HOME=$work/$name/cache CARGO_TARGET_DIR=$work/$name/target "$checkout/e2e/image/build.sh" >"$work/$name/build.log"
  digest=$(tar -xOf "$work/$name/cache/weft/image/weft.tar" index.json | grep -o 'sha256:[0-9a-f]*' | head -n 1)
  echo "$digest  built in $checkout"
  digests+=("$digest")
done
[[ ${digests[0]} == "${digests[1]}" ]] || {
  echo 'two builds of one commit differ' >&2
  exit 1
}
