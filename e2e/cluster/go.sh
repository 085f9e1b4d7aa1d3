#!/usr/bin/env bash
# Runs the pinned Go, fetching it where the machine's own is too old: go.sh build ./...
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=lib/progress.sh
source "$here/lib/progress.sh"
# shellcheck source=lib/go-toolchain.sh
source "$here/lib/go-toolchain.sh"

ensure_go
exec go "$@"
