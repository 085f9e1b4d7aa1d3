#!/usr/bin/env bash
# Reads kind-config.yaml the way kind does, with kind's own types: the check of the path that takes
# Docker, for machines that have none.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=lib/settings.sh
source lib/settings.sh

./build.sh
"$BIN_DIR/kind-config-check" "$REPO_DIR/kind-config.yaml"
